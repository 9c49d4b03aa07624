"""A bounded queue between two threads whose ends can be closed, with or without an error."""

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

from cpabmm_core.errors import ConfigError

_Item = TypeVar("_Item")


class BoundedQueue(Generic[_Item]):
    """Passes items from one thread, the sender, to another, the receiver.

    Unlike `queue.Queue`, both threads learn when the other one stops, even while they wait.

    Args:
        size: number of items that the queue holds before the sender has to wait, at least 1.

    Raises:
        ConfigError: the size is below 1.

    Example:
        >>> queue = BoundedQueue[int](2)
        >>> queue.put(1), queue.put(2)
        (True, True)
        >>> queue.end()
        >>> list(queue)
        [1, 2]
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ConfigError(f"size: expected 1 or more, got {size}")
        self._size = size
        self._items: deque[_Item] = deque()
        self._change = Condition()
        self._ended = self._left = False
        self._sender_error: BaseException | None = None
        self._receiver_error: BaseException | None = None

    def put(self, item: _Item) -> bool:
        """Add an item; wait for room if there is none.

        Returns:
            False if the receiver has left without an error, so that the item is dropped.

        Raises:
            BaseException: the error with which the receiver left.
            ValueError: the sender has ended the queue.
        """
        with self._change:
            if self._ended:
                raise ValueError("the queue has ended: it takes no more items")
            self._change.wait_for(lambda: self._left or len(self._items) < self._size)
            self.check()
            if self._left:
                return False
            self._items.append(item)
            self._change.notify_all()
            return True

    def end(self, error: BaseException | None = None) -> None:
        """Tell the receiver that no items follow, but perhaps an error, which it raises."""
        with self._change:
            self._ended, self._sender_error = True, error
            self._change.notify_all()

    def leave(self, error: BaseException | None = None) -> None:
        """Tell the sender that the receiver takes no more items; drop those that wait.

        Args:
            error: the reason, which the sender raises; None leaves an earlier one in force.
        """
        with self._change:
            self._left = True
            self._receiver_error = self._receiver_error or error
            self._items.clear()
            self._change.notify_all()

    def check(self) -> None:
        """Raise the error with which the receiver left, if it has."""
        if self._receiver_error is not None:
            raise self._receiver_error

    def __iter__(self) -> Iterator[_Item]:
        """Wait for the items and yield them in order; raise the sender's error after them."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._items or self._ended or self._left)
                if not self._items:
                    break
                item = self._items.popleft()
                self._change.notify_all()
            yield item
            del item  # the queue must not keep it alive while it waits for the next one
        if self._sender_error is not None and not self._left:
            raise self._sender_error
