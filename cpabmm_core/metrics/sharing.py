"""Videos shared by several processes: who measures which, and all figures brought together."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from accelerate import PartialState

_T = TypeVar("_T")
_PATIENCE = timedelta(days=7)
"""How long a process waits for the others to measure their videos."""


class Share(Protocol):
    """The part of the work that this process has."""

    def mine(self, items: Sequence[_T]) -> Sequence[_T]:
        """Those of the items that fall to this process."""
        ...

    def gathered(self, items: list[_T]) -> list[_T]:
        """The items of all processes, in the order of the processes; each of them calls this."""
        ...

    def main_first(self) -> AbstractContextManager[None]:
        """A context that the main process leaves before the others enter, for downloads."""
        ...


class OneProcess:
    """A `Share` of all the work."""

    def mine(self, items: Sequence[_T]) -> Sequence[_T]:
        """All of them."""
        return items

    def gathered(self, items: list[_T]) -> list[_T]:
        """The same."""
        return items

    def main_first(self) -> AbstractContextManager[None]:
        """Nothing to wait for."""
        return nullcontext()


class AcceleratedProcesses:
    """A `Share` for each of the processes that ``accelerate launch`` or the like has started."""

    def __init__(self, state: "PartialState") -> None:
        self._state = state

    @property
    def device(self) -> str:
        """The device of this process."""
        return str(self._state.device)

    def mine(self, items: Sequence[_T]) -> Sequence[_T]:
        """Every n-th one, for n processes."""
        return items[self._state.process_index :: self._state.num_processes]

    def gathered(self, items: list[_T]) -> list[_T]:
        """The items of all processes, in the order of the processes."""
        from accelerate.utils import gather_object

        together: list[_T] = gather_object(items)
        return together

    def main_first(self) -> AbstractContextManager[None]:
        """A context that the main process leaves before the others enter."""
        order: AbstractContextManager[None] = self._state.main_process_first()
        return order


@contextmanager
def accelerated_processes(device: str) -> Iterator[AcceleratedProcesses]:
    """The share of this process in a group of them, which it leaves whatever happens.

    One that ended while the group is open might abort. Without an error they leave together.

    Args:
        device: ``cpu``, or another for the one that Accelerate gives this process.
    """
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu", timeout=_PATIENCE)
    try:
        yield AcceleratedProcesses(state)
        state.wait_for_everyone()
    finally:
        state.destroy_process_group()
