"""Real processes on the loopback; each imports torch, which takes its time."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from napari_gpcis.batch.cluster import PAGES_PER_BLOCK
from napari_gpcis.batch.stacks import segment_stacks
from napari_gpcis.engine.click import Click
from napari_gpcis.io.errors import OptionError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import LocalCluster

    from tests.batch.conftest import Lab

pytestmark = [
    pytest.mark.slow,
    # dask's own, at the end of its processes
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAMES = ("s0", "s1", "s2")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        memory_limit=None,
        silence_logs="CRITICAL",
    ) as cluster:
        yield cluster


def run(lab: Lab, names: tuple[str, ...] = NAMES, **options):
    how = {name: options.pop(name) for name in ("scheduler", "workers") if name in options}
    watch = {name: options.pop(name) for name in ("on_progress", "is_cancelled") if name in options}
    jobs = [lab.job(name, **options) for name in names]
    return segment_stacks(jobs, log=lab.out / "segment.log.jsonl", resume=True, **how, **watch)


def here_and_there(lab: Lab, cluster: LocalCluster, **options) -> None:
    """The same, on one process and on the cluster."""
    run(lab, **options)
    expected = lab.results()
    for path in lab.out.iterdir():
        path.unlink()
    report = run(lab, scheduler=cluster.scheduler_address, **options)
    assert not report.failed
    assert lab.results() == expected


@pytest.mark.parametrize("options", [{"propagate": True}, {}, {"mode": "class"}])
def test_a_cluster_gives_the_same_to_the_last_bit(
    lab: Lab, cluster: LocalCluster, options: dict
) -> None:
    here_and_there(lab, cluster, **options)


def test_a_stack_in_class_mode_is_shared_out_in_blocks(lab: Lab, cluster: LocalCluster) -> None:
    import numpy as np
    import tifffile

    stack = tifffile.imread(lab.folder / "s0.tif")
    pages = 2 * PAGES_PER_BLOCK + 3
    long = np.stack([np.roll(stack[0], z, 1) for z in range(pages)])
    lab.add("long", long, [Click(0, 73, 52, object_id=1), Click(20, 20, 20, object_id=2)])
    here_and_there(lab, cluster, names=("long",), mode="class")


def test_what_fails_on_a_worker_is_said_and_does_not_stop_the_rest(
    lab: Lab, cluster: LocalCluster
) -> None:
    (lab.folder / "s1.csv").write_text("axis-0,axis-1,axis-2\n9,1,1\n")
    report = run(lab, scheduler=cluster.scheduler_address)
    assert [outcome.job.image.stem for outcome in report.done] == ["s0", "s2"]
    assert "slice 9 is outside the image" in report.failed[0].error


def test_a_worker_that_dies_is_replaced(lab: Lab) -> None:
    from distributed import LocalCluster

    run(lab, propagate=True)
    expected = lab.results()
    for path in lab.out.iterdir():
        path.unlink()
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        memory_limit=None,
        silence_logs="CRITICAL",
    ) as cluster:
        killed = threading.Event()

        def kill_one_at_work() -> None:
            while not any(lab.out.glob(".*.work")):
                time.sleep(0.01)
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            killed.set()

        thread = threading.Thread(target=kill_one_at_work, daemon=True)
        thread.start()
        report = run(lab, scheduler=cluster.scheduler_address, propagate=True)
    assert killed.is_set()
    assert not report.failed
    assert lab.results() == expected


def test_cancelling_reaches_the_workers(lab: Lab, cluster: LocalCluster) -> None:
    with pytest.raises(StoppedError, match="run the same command to continue"):
        run(lab, scheduler=cluster.scheduler_address, is_cancelled=lambda: True)
    assert not run(lab, scheduler=cluster.scheduler_address).failed


def test_no_scheduler_and_no_workers_are_said(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    from napari_gpcis.batch import cluster

    monkeypatch.setattr(cluster, "_SECONDS_TO_ANSWER", 1)
    with pytest.raises(
        OptionError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9; start one"
    ):
        run(lab, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(OptionError, match="no scheduler answers at nonsense"):
        run(lab, scheduler="nonsense")
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty,
        pytest.raises(OptionError, match="has no workers; start them with `dask worker tcp"),
    ):
        run(lab, scheduler=empty.scheduler_address)
