"""Several processes on this machine, by torch's own launcher."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

_USER_ERROR = 2


def launched() -> bool:
    """Whether this process is one of several that somebody has started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(work: Callable[[Any], None], argument: Any, processes: int) -> None:
    """Call `work(argument)` in processes that find each other over the loopback.

    Signals reach all of them: on SIGTERM or SIGINT each ends as it would alone.

    Parameters
    ----------
    work : callable
        Function of a module.
    argument : object
        That can be pickled.
    processes : int
        How many.

    Raises
    ------
    ValueError
        If one of them failed. What it was is on the standard error by then.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        start_method="spawn",
    )
    # its own account of a failure is a page of text beside ours
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        elastic_launch(settings, _work)(work, argument)
    except SignalException:
        return  # the processes have been told as well, and have said so
    except ChildFailedError as error:
        raise ValueError(
            f"expected {processes} processes to end well, got exit code "
            f"{error.get_first_failure()[1].exitcode} from one; its own message is above"
        ) from error


def _work(work: Callable[[Any], None], argument: Any) -> None:
    """What a started process does: a user's mistake is told once, as one line."""
    try:
        work(argument)
    except ValueError as error:
        if os.environ.get("RANK", "0") == "0":
            from rich.console import Console

            Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False)
        raise SystemExit(_USER_ERROR) from error
