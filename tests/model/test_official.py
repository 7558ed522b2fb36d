from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_gpcis.model.official import import_official, official_name
from napari_gpcis.model.state import ModelFileError

if TYPE_CHECKING:
    from napari_gpcis.model import SegmentationNetwork

State = dict[str, torch.Tensor]


def write(path: Path, state: Any, class_name: str = "isegm.model.is_gp_resnet50.GpModel") -> Path:
    torch.save({"state_dict": state, "config": {"class": class_name, "params": {}}}, path)
    return path


def error_of(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        import_official(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message, "an error says what to do"
    return message


@pytest.fixture(scope="module")
def imported(
    official_state: State, tmp_path_factory: pytest.TempPathFactory
) -> SegmentationNetwork:
    path = write(tmp_path_factory.mktemp("official") / "GPCIS_Resnet50.pth", official_state)
    network = import_official(path)
    path.unlink()
    return network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise_variance", "output"), [(1e-2, "eps1e-2.out"), (1e-7, "eps1e-7.out")]
)
def test_the_imported_model_reproduces_the_reference(
    imported: SegmentationNetwork,
    model_oracle: State,
    oracle_clicks: list[torch.Tensor],
    noise_variance: float,
    output: str,
) -> None:
    image = model_oracle["image"]
    on_pixels = [torch.cat([item[:, :2].trunc(), item[:, 2:]], 1) for item in oracle_clicks]

    with torch.inference_mode():
        deep = imported.decode(imported.encode(image), oracle_clicks, model_oracle["prev"])
        logits = imported.classify(deep, imported.colour(image), on_pixels, noise_variance).logits

    torch.testing.assert_close(logits, model_oracle[output], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_whole_forward_pass_is_that_of_the_reference_at_test_time(
    imported: SegmentationNetwork, model_oracle: State, oracle_clicks: list[torch.Tensor]
) -> None:
    with torch.inference_mode():
        logits = imported(model_oracle["image"], oracle_clicks, model_oracle["prev"])

    torch.testing.assert_close(logits, model_oracle["eps1e-7.out"], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_side_features_and_head_are_those_of_the_reference(
    imported: SegmentationNetwork, model_oracle: State
) -> None:
    deeplab = imported.get_submodule("fusion.deeplab")
    auxiliary = model_oracle["coord_in"]

    with torch.inference_mode():
        side = deeplab.get_submodule("side")(auxiliary)
        head = deeplab(imported.colour(model_oracle["image"]), auxiliary)

    torch.testing.assert_close(side, model_oracle["coord_out"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(head, model_oracle["head"], rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_all_403_tensors_come_through_unchanged(
    imported: SegmentationNetwork, official_state: State
) -> None:
    exported = {official_name(name): tensor for name, tensor in imported.state_dict().items()}

    assert len(exported) == 403
    assert exported.keys() == official_state.keys()
    assert all(torch.equal(exported[name], official_state[name]) for name in exported)


@pytest.mark.slow
def test_the_imported_model_has_as_many_parameters_as_the_paper_says(
    imported: SegmentationNetwork,
) -> None:
    gp = imported.get_submodule("head.classifier")

    assert sum(parameter.numel() for parameter in imported.parameters()) == 39_388_964
    assert sum(parameter.numel() for parameter in gp.parameters()) == 18_707
    assert not imported.training


def test_a_name_of_another_network_has_no_translation() -> None:
    with pytest.raises(ValueError, match="fusion 'paper'"):
        official_name("fusion.encoder.laterals.0.0.weight")


def test_missing_tensors_are_named(hollow_state: State, tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in hollow_state.items() if "u_mlp" not in name}

    message = error_of(write(tmp_path / "a.pth", state))

    assert "without u_mlp.0.bias, u_mlp.0.weight, u_mlp.2.bias and 1 more" in message


def test_unexpected_tensors_are_named(hollow_state: State, tmp_path: Path) -> None:
    message = error_of(write(tmp_path / "a.pth", {**hollow_state, "gamma": torch.zeros(1)}))

    assert "unknown gamma;" in message


@pytest.mark.parametrize("wrong", [torch.zeros(128, 51), torch.zeros(256, 51, dtype=torch.int64)])
def test_tensors_of_another_shape_or_type_are_named(
    hollow_state: State, wrong: torch.Tensor, tmp_path: Path
) -> None:
    message = error_of(write(tmp_path / "a.pth", {**hollow_state, "theta.weight": wrong}))

    assert "another shape or type of theta.weight;" in message


@pytest.mark.parametrize(
    ("name", "class_name", "variant"),
    [
        ("feature_extractor.transition1.0.0.weight", "GpModel", "HRNet18s"),
        ("omega", "isegm.model.is_gp_hrnet18s.GpModel", "HRNet18s"),
        ("feature_extractor.patch_embed1.proj.weight", "GpModel", "SegFormer-B0"),
        ("omega", "isegm.model.is_gp_segformerB0.GpModel", "SegFormer-B0"),
    ],
)
def test_other_variants_are_recognised(
    name: str, class_name: str, variant: str, tmp_path: Path
) -> None:
    message = error_of(write(tmp_path / "a.pth", {name: torch.zeros(1)}, class_name))

    assert variant in message
    assert "only ResNet50" in message


@pytest.mark.parametrize("content", [{}, {"state_dict": 1}, {"state_dict": {"a": 1}}, [1], 3.5])
def test_files_without_a_state_are_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(content, path)

    assert "state_dict" in error_of(path)


def test_a_git_lfs_pointer_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")

    assert "git lfs pull" in error_of(path)


@pytest.mark.parametrize("size", [0, 1, 100, 5_000])
def test_truncated_files_are_refused(size: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", {"omega": torch.zeros(256, 100)})
    os.truncate(path, size)

    assert "damaged" in error_of(path)


@pytest.mark.parametrize("content", [b"hello", b"\x80\x02}q\x00.", b"PK\x03\x04" + b"\0" * 99])
def test_foreign_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)

    error_of(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "No such file" in error_of(tmp_path / "a.pth")
    error_of(tmp_path)


class _Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("by_torch", [True, False])
def test_objects_are_never_unpickled(by_torch: bool, tmp_path: Path) -> None:
    path, sprung = tmp_path / "a.pth", tmp_path / "sprung"
    content = {"state_dict": {}, "config": _Trap(sprung)}
    if by_torch:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))

    assert "never unpickled" in error_of(path)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(content))
    assert sprung.exists(), "the trap works"
