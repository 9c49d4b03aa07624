"""The group of processes that run the same command, seen from this one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cpabmm_cli.processes import is_worker

if TYPE_CHECKING:
    from cpabmm_core.metrics.process_group import ProcessGroup


@contextmanager
def join_group(device: str) -> "Iterator[tuple[ProcessGroup, str]]":
    """Join the group of processes; yield the group and the device of this process.

    Args:
        device: the device for all of them; of ``auto`` and ``cuda`` each process gets its own.
    """
    from cpabmm_core.metrics.process_group import SingleProcess, join_processes

    if not is_worker():
        yield SingleProcess(), device
        return
    with join_processes(device) as group:
        yield group, group.device if device in ("auto", "cuda") else device
