"""Videos shared by several processes: who measures which, and all figures brought together."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self, TypeVar

_T = TypeVar("_T")
_PATIENCE = timedelta(days=7)
"""How long a process waits for the others to measure their videos."""


class Share(Protocol):
    """The part of the work that this process has; a context in which the processes are one group.

    A process that ends while the group is open may abort, so it leaves the group whatever happens.
    """

    def __enter__(self) -> Self:
        """The share itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the others: all together, or at once after an error."""
        ...

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

    def __enter__(self) -> Self:
        """The share itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is none to leave."""

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

    def __init__(self, device: str) -> None:
        from accelerate import PartialState

        self._state = PartialState(cpu=device == "cpu", timeout=_PATIENCE)

    def __enter__(self) -> Self:
        """The share itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the others: all together, or at once after an error."""
        if error is None:
            self._state.wait_for_everyone()
        self._state.destroy_process_group()

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
