"""The video library with one fault: an attribute that raises whatever a test chooses."""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Self

import av
import pytest


class FaultyObject:
    """An object of the library whose attribute, or that of any object it leads to, raises.

    Args:
        target: the object.
        attribute: name of the attribute.
        error: what it raises.
    """

    def __init__(self, target: object, attribute: str, error: BaseException) -> None:
        vars(self).update(_target=target, _attribute=attribute, _error=error, _known={})

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name == self._attribute:
            raise self._error
        return self._wrap(getattr(self._target, name))

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._target, name, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._target.close()

    def _wrap(self, value: object) -> Any:  # noqa: ANN401
        if callable(value):
            return self._wrap_call(value)
        if isinstance(value, Iterator):
            return map(self._wrap, value)
        if isinstance(value, (list, tuple)):
            return [self._wrap(each) for each in value]
        if type(value).__module__.startswith("av.") and not isinstance(value, Enum):
            if id(value) not in self._known:
                faulty = FaultyObject(value, self._attribute, self._error)
                vars(faulty)["_known"] = self._known
                self._known[id(value)] = faulty
            return self._known[id(value)]
        return value

    def _wrap_call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: object, **named: object) -> object:
            positional = [_unwrap(each) for each in arguments]
            return self._wrap(function(*positional, **{k: _unwrap(v) for k, v in named.items()}))

        return call


def _unwrap(value: object) -> object:
    return value._target if isinstance(value, FaultyObject) else value


def break_library(
    monkeypatch: pytest.MonkeyPatch, attribute: str, error: BaseException
) -> Callable[[], None]:
    """Let an attribute of the library raise, or `av.open` itself for the attribute ``open``.

    Returns:
        A function that repairs the library.
    """
    real = av.open

    def faulty_open(*arguments: Any, **named: Any) -> object:  # noqa: ANN401
        if attribute == "open":
            raise error
        return FaultyObject(real(*arguments, **named), attribute, error)

    monkeypatch.setattr(av, "open", faulty_open)
    return lambda: monkeypatch.setattr(av, "open", real)
