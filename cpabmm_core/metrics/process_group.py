"""Groups of processes that share the videos of a set."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from accelerate import PartialState

_T = TypeVar("_T")
_TIMEOUT = timedelta(days=7)
"""How long a process waits for the others to finish their videos."""


class ProcessGroup(Protocol):
    """A group of processes, seen from one of them."""

    def split(self, items: Sequence[_T]) -> Sequence[_T]:
        """Return the items of this process."""
        ...

    def gather(self, items: list[_T]) -> list[_T]:
        """Return the items of all processes, in the order of processes; all must call this."""
        ...

    def main_first(self) -> AbstractContextManager[None]:
        """Return a context that the other processes enter after the main process has left it.

        Use it for downloads, which the main process makes for all.
        """
        ...


class SingleProcess:
    """A `ProcessGroup` of one."""

    def split(self, items: Sequence[_T]) -> Sequence[_T]:
        """Return all items."""
        return items

    def gather(self, items: list[_T]) -> list[_T]:
        """Return the items unchanged."""
        return items

    def main_first(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()


class AccelerateProcesses:
    """A `ProcessGroup` of processes started by ``accelerate launch``, torchrun or similar."""

    def __init__(self, state: "PartialState") -> None:
        self._state = state

    @property
    def device(self) -> str:
        """The device of this process."""
        return str(self._state.device)

    def split(self, items: Sequence[_T]) -> Sequence[_T]:
        """Return every n-th item, for n processes."""
        return items[self._state.process_index :: self._state.num_processes]

    def gather(self, items: list[_T]) -> list[_T]:
        """Return the items of all processes, in the order of processes."""
        from accelerate.utils import gather_object

        gathered: list[_T] = gather_object(items)
        return gathered

    def main_first(self) -> AbstractContextManager[None]:
        """Return a context that the other processes enter after the main process has left it."""
        order: AbstractContextManager[None] = self._state.main_process_first()
        return order


@contextmanager
def join_processes(device: str) -> Iterator[AccelerateProcesses]:
    """Join the group of processes while the context lasts.

    A process that ends without leaving its group may abort, so errors leave it as well. Without an
    error, all processes leave together.

    Args:
        device: as for `device.resolve_device`. Accelerate assigns a GPU to each process.

    Raises:
        ResourceError: the device does not exist.
    """
    from accelerate import PartialState

    from cpabmm_core.device import is_cpu

    state = PartialState(cpu=is_cpu(device), timeout=_TIMEOUT)
    try:
        yield AccelerateProcesses(state)
        state.wait_for_everyone()
    finally:
        state.destroy_process_group()
