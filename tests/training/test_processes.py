from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from napari_gpcis_training.batches import Batch, Share
from napari_gpcis_training.processes import start_accelerator
from napari_gpcis_training.shared_norm import SharedBatchNorm

PROGRAM = """
import json, sys
from pathlib import Path
import torch
from napari_gpcis_training.batches import StepDataset
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.processes import launch
from napari_gpcis_training.state import initial_state
from napari_gpcis_training.processes import AcceleratedProcesses, start_accelerator
from napari_gpcis_training.trainer import training_step

def work(arguments):
    data, config, output = arguments
    torch.set_num_threads(1)
    config = load_config(config, optimiser__batch_size=3, optimiser__warmup_steps=50)
    accelerator = start_accelerator("cpu", "no")
    sets = [load_set(data, source, "train", 30) for source in config.data]
    state = initial_state(config, None, accelerator.device)
    processes = AcceleratedProcesses(accelerator, state)
    dataset = StepDataset(sets, config, processes.share)
    start = {name: value.detach().clone() for name, value in state.network.named_parameters()}
    reports = [
        training_step(state, dataset[step], config, processes=processes) for step in range(4)
    ]
    if accelerator.is_main_process:
        torch.save([start, state.network.state_dict()], f"{output}.pt")
        sizes = [len(dataset[step].images) for step in range(4)]
        Path(output).write_text(json.dumps({"reports": reports, "sizes": sizes}))
    accelerator.end_training()

if __name__ == "__main__":
    processes, *arguments = sys.argv[1:]
    if processes == "1":
        work(arguments)
    else:
        launch(work, arguments, int(processes))
"""


def run_with(processes: int, folder: Path, data: Path, config: Path) -> tuple[dict, list]:
    program, output = folder / "program.py", folder / f"{processes}.json"
    program.write_text(PROGRAM, encoding="utf-8")
    subprocess.run(
        [sys.executable, program, str(processes), data, config, output], check=True, timeout=300
    )
    return json.loads(output.read_text()), torch.load(f"{output}.pt", weights_only=True)


@pytest.mark.slow
def test_two_processes_compute_the_losses_and_weights_of_one(
    tmp_path: Path, data_root: Path, config_path: Path
) -> None:
    one, (start, weights_of_one) = run_with(1, tmp_path, data_root, config_path)
    two, (_, weights_of_two) = run_with(2, tmp_path, data_root, config_path)
    # shares of two sizes, and of a step with a single wide crop none for the second process
    assert one["sizes"] == [3, 3, 1, 3]
    assert two["sizes"] == [2, 2, 1, 2]
    for expected, got in zip(one["reports"], two["reports"], strict=True):
        assert got == pytest.approx(expected, abs=1e-5, nan_ok=True)
    # the optimiser makes steps of its own of what rounding leaves of a gradient that is zero
    moved = distance(weights_of_one, start, start)
    assert moved > 0.01
    assert distance(weights_of_two, weights_of_one, start) < 0.01 * moved


def distance(ones: dict, others: dict, names: dict) -> float:
    return sum(float((ones[name] - others[name]).square().sum()) for name in names) ** 0.5


def a_batch(count: int) -> Batch:
    images = torch.arange(count)[:, None, None, None].float()
    return Batch(images, images[:, 0], torch.zeros(count, dtype=torch.bool), tuple(range(count)))


def test_the_shares_of_a_batch_are_the_batch() -> None:
    shares = [Share(rank, 3).of(a_batch(7)) for rank in range(3)]
    assert sorted(number for share in shares for number in share.numbers) == list(range(7))
    assert sum(share.weight for share in shares) == pytest.approx(1)
    assert all(share.images.flatten().tolist() == list(share.numbers) for share in shares)


def test_a_process_without_crops_takes_one_that_does_not_count() -> None:
    share = Share(2, 3).of(a_batch(2))
    assert len(share.images) == 1
    assert share.weight == 0


def test_a_norm_over_all_processes_keeps_the_names_and_the_activation_that_timm_adds(
    tmp_path: Path,
) -> None:
    import timm
    from napari_gpcis_training.shared_norm import share_norms

    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        network = timm.create_model("test_efficientnet", num_classes=3)
        names = list(network.state_dict())
        image = torch.randn(2, 3, 64, 64)
        expected = network.train()(image)
        statistics = {name: value.clone() for name, value in network.state_dict().items()}
        fresh = timm.create_model("test_efficientnet", num_classes=3)
        fresh.load_state_dict(dict(network.named_parameters()), strict=False)
        share_norms(fresh, torch.distributed.group.WORLD)
        torch.testing.assert_close(fresh.train()(image), expected, atol=1e-4, rtol=1e-4)
        assert list(fresh.state_dict()) == names
        norms = [module for module in fresh.modules() if isinstance(module, SharedBatchNorm)]
        assert norms
        for name, value in fresh.state_dict().items():
            if "running" in name:
                torch.testing.assert_close(value, statistics[name], atol=1e-5, rtol=1e-4)
    finally:
        torch.distributed.destroy_process_group()


def test_half_precision_on_the_cpu_is_refused() -> None:
    with pytest.raises(ValueError, match="bf16 or no"):
        start_accelerator("cpu", "fp16")
