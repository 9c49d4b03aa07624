"""The judgement on one input: which outcomes of the readers are allowed."""

import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.surroundings import Surroundings, waiting_seconds

from cpabmm_cli.failures import explain
from cpabmm_core.errors import CpabmmError

_LONGEST_MESSAGE = 1500  # a list of all configurations fits
_PATIENCE_SECONDS = 3
"""Time that a reader may wait for something other than a processor."""
_LEISURELY_SECONDS = 2
"""Time after which no further reader is called, so that large inputs hold up nothing."""
_PROJECT = re.compile(r"(cpabmm_core|cpabmm_cli|targets)/.*")

Action = Callable[[], object]


class BrokenPromiseError(AssertionError):
    """A reader returned something that its contract excludes."""


@dataclass(frozen=True)
class Target:
    """One family of readers to fuzz."""

    name: str
    suffixes: tuple[str, ...]
    """Suffixes of the inputs. The first byte of an input in the corpus is an index into it."""
    write_seeds: Callable[[Path], None]
    """Writes small valid files to a folder."""
    actions: Callable[[Path, Path], Mapping[str, Action]]
    """Returns the readers to call, by name, for an input and a folder for their output. Each checks
    what it returns."""
    compare: Callable[[Mapping[str, Any]], None] = lambda results: None
    """Checks the results of the readers that succeeded against each other."""
    exit_codes: frozenset[int] = frozenset({3, 5})
    """Exit codes of the errors that the readers may raise."""
    seconds: float = 10
    """Processor time that a reader may take."""
    megabytes: int = 1024
    """Memory that they may use in addition to what the process holds."""


@dataclass(frozen=True)
class Finding:
    """A forbidden outcome."""

    kind: str
    """exception, message, class, result, output, opened, left, leak, slow, waits, memory, or the
    signal that ended the process."""
    reader: str
    detail: str
    place: str
    """Innermost function of the project."""
    trace: str = ""

    @property
    def key(self) -> str:
        """What two findings with one cause have in common."""
        detail = self.detail.split(":", maxsplit=1)[0] if self.kind == "exception" else self.detail
        return f"{self.kind} | {self.place} | {normalise(detail)[:80]}"


def normalise(text: str) -> str:
    """Replace numbers, paths and quoted parts of a message, which differ from input to input."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"|/\S+", "_", text)
    return re.sub(r"-?\d[\d.e+-]*", "0", " ".join(text.split()))


class Judge:
    """Calls the readers of a target and judges what they do.

    Args:
        target: the readers.
        surroundings: notices side effects.
        scratch: folder for the output of the readers.
    """

    def __init__(self, target: Target, surroundings: Surroundings, scratch: Path) -> None:
        self._target = target
        self._surroundings = surroundings
        self._scratch = scratch
        self.outcomes: set[str] = set()
        """All outcomes so far."""
        self.latest: set[str] = set()
        """Outcomes of the last input."""

    def judge(self, path: Path) -> Iterator[Finding]:
        """Call all readers on a file and yield the forbidden outcomes."""
        self._surroundings.begin()
        self.latest.clear()
        results: dict[str, Any] = {}
        found: list[Finding] = []
        self._surroundings.new_output()
        start, waited = time.process_time(), waiting_seconds()
        for name, action in self._target.actions(path, self._scratch).items():
            seconds = max(time.process_time() - start, waiting_seconds() - waited)
            if seconds < _LEISURELY_SECONDS:
                found += self._call(name, action, path, results)
        found += self._call("comparison", lambda: self._target.compare(results), path, {})
        found += [Finding(kind, "all", detail, "") for kind, detail in self._surroundings.end()]
        self.outcomes |= self.latest
        yield from found
        if self._surroundings.megabytes > self._target.megabytes:
            yield Finding("memory", "all", f"{self._surroundings.megabytes:.0f} MB", "")

    def _call(
        self, name: str, action: Action, path: Path, results: dict[str, Any]
    ) -> Iterator[Finding]:
        start, waited = time.process_time(), waiting_seconds()
        try:
            results[name] = action()
            size = results[name].bit_length() if isinstance(results[name], int) else ""
            self.latest.add(f"{name} succeeds {size}".strip())
        except CpabmmError as error:
            message = str(error)
            self.latest.add(f"{name} {type(error).__name__} {normalise(message)[:120]}")
            for kind, detail in self._complaints(error, message, path):
                yield Finding(
                    kind, name, detail, _place(error), f"{message[:1000]}\n{_head(error)}"
                )
        except BrokenPromiseError as error:
            yield Finding("result", name, str(error), name, _head(error))
        except Exception as error:  # this is what fuzzing looks for
            kind = "memory" if isinstance(error, MemoryError) else "exception"
            detail = f"{type(error).__name__}: {error}"[:300]
            yield Finding(kind, name, detail, _place(error), _head(error))
        if text := self._surroundings.new_output():
            yield Finding("output", name, _essence(text), "", text)
        if (seconds := time.process_time() - start) > self._target.seconds:
            yield Finding("slow", name, f"{seconds:.0f} s", name)
        if (seconds := waiting_seconds() - waited) > _PATIENCE_SECONDS:
            yield Finding("waits", name, f"{seconds:.0f} s", name)

    def _complaints(
        self, error: CpabmmError, message: str, path: Path
    ) -> Iterator[tuple[str, str]]:
        if not message.isprintable():
            yield "message", "is not one printable line"
        if len(message.replace(str(path), "")) > _LONGEST_MESSAGE:
            yield "message", "is too long"
        if path.stem not in message:
            yield "message", "does not name the file"
        code, _ = explain(error)
        if code not in self._target.exit_codes:
            yield "class", f"{type(error).__name__} has exit code {code}"


def _essence(text: str) -> str:
    """Return the class of a Python warning, or the first words of another output."""
    warning = re.search(r"(\w+)/(\w+\.py):\d+: (\w+Warning)", text)
    return (
        f"{warning[3]} in {warning[1]}/{warning[2]}"
        if warning
        else text.split(":", maxsplit=1)[0][:60]
    )


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if match := _PROJECT.search(frame.filename):
            return f"{match[0]}:{frame.name}"
    return ""


def _head(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-8:])[-3000:]
