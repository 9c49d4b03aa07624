"""The only module that prints: results to stdout, everything else to stderr."""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

JSON_SCHEMA = 1
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPEED_OVER_SECONDS = 600.0
"""Period over which a bar estimates its speed. One item may take longer than the 30 seconds that
rich uses by default."""


class Counter(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """Set the number of finished items, and the total if it is known."""


class _RateColumn(ProgressColumn):
    """The number of items per second, if these are the items of the unit.

    Args:
        unit: plural of what is counted.
    """

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate; nothing as long as it is unknown."""
        rate = task.finished_speed or task.speed
        text = "" if rate is None else f"{rate:.1f} {self._unit}/s"
        return Text(text, style="progress.data.speed")


def as_json(document: Mapping[str, Any]) -> str:
    """Return a result as a JSON document on one line; its first key is the schema version.

    Characters that stdout cannot encode, and bytes of file names that are no text, are escaped as
    JSON does.
    """
    content = {"schema": JSON_SCHEMA, **document}
    text = json.dumps(content, allow_nan=False, ensure_ascii=False)
    if _encodable(text, _encoding(sys.stdout)) == text:
        return text
    return json.dumps(content, allow_nan=False, ensure_ascii=True)


def _encoding(stream: TextIO | None) -> str:
    """Return the encoding of a stream; a closed or replaced one may have none."""
    return getattr(stream, "encoding", None) or "utf-8"


def _escape(control: re.Match[str]) -> str:
    return repr(control[0])[1:-1]


def _encodable(text: str, encoding: str) -> str:
    """Return the text with a backslash escape for each character that the encoding lacks."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


class _Stderr(Console):
    """The console of stderr. A reader that has gone away does not stop the command."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True


class Bar(Progress):
    """A progress bar with an optional note below it."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bar and the note."""
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note)


class Terminal:
    """Output to the user.

    Attributes:
        quiet: whether to leave out messages and bars; results and errors are always shown.
        debug: whether to show the traceback of an error.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.debug = False
        self._stderr: Console = _Stderr(stderr=True, highlight=False)
        self._shows_bar = False

    @property
    def is_interactive(self) -> bool:
        """Whether stderr is a terminal that can redraw a bar."""
        return self._stderr.is_terminal and not self._stderr.is_dumb_terminal

    def result(self, text: str) -> None:
        """Print a line of the result to stdout.

        Characters that stdout cannot encode are escaped. The work is done by now, so a closed
        stdout, or a reader that has gone away, is no error.

        Raises:
            OSError: the line cannot be written, for example because the disk is full.
        """
        stream = sys.stdout
        if stream is None:
            return
        try:
            stream.write(_encodable(text, _encoding(stream)) + "\n")
            stream.flush()
        except BrokenPipeError:
            _discard(stream)
        except OSError:
            _discard(stream)
            raise

    def say(self, text: str) -> None:
        """Print a status message, unless `quiet` is set."""
        if not self.quiet:
            self._print(text)

    def error(self, text: str) -> None:
        """Print an error message on one line; line breaks in the text become spaces."""
        self._print("error: ", style="bold red", end="")
        self._print(" ".join(text.split()))

    def traceback(self, error: BaseException) -> None:
        """Print the traceback of an error, for `--debug`."""
        import traceback

        self._print("".join(traceback.format_exception(error)), end="")

    def _print(self, text: str, *, style: str | None = None, end: str = "\n") -> None:
        """Print to stderr. A message that cannot be shown does not fail the command.

        Control characters, which names of files may contain, do not reach the terminal.
        """
        shown = _encodable(_CONTROL.sub(_escape, text), self._stderr.encoding)
        with suppress(OSError):
            self._stderr.print(shown, markup=False, soft_wrap=True, style=style, end=end)

    def bar(self) -> Bar:
        """Return a bar with a count, the elapsed and the remaining time.

        It is visible only on an interactive terminal, and not if `quiet` is set.
        """
        return self._bar(MofNCompleteColumn(), TimeElapsedColumn())

    @contextmanager
    def counter(self, description: str, unit: str | None = None) -> Iterator[Counter]:
        """Show a bar that counts items while the context lasts, and their rate if it has a unit."""
        rate = () if unit is None else (_RateColumn(unit),)
        bar = self._bar(MofNCompleteColumn(), *rate, TimeElapsedColumn())
        with self._show(bar):
            yield _counter(bar, _encodable(description, self._stderr.encoding))

    @contextmanager
    def download_bar(self, description: str) -> Iterator[Counter]:
        """Show a bar that counts bytes while the context lasts; none below another bar."""
        with self._show(self._bar(DownloadColumn(), TransferSpeedColumn())) as bar:
            yield _counter(bar, _encodable(description, self._stderr.encoding))

    @contextmanager
    def _show(self, bar: Bar) -> Iterator[Bar]:
        before = self._shows_bar
        self._shows_bar = True
        try:
            with bar:
                yield bar
        finally:
            self._shows_bar = before

    def _bar(self, *columns: ProgressColumn) -> Bar:
        return Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            TimeRemainingColumn(),
            console=self._stderr,
            speed_estimate_period=_SPEED_OVER_SECONDS,
            transient=True,
            disable=self.quiet or self._shows_bar or not self.is_interactive,
        )


def _discard(stream: TextIO) -> None:
    """Send what is left in a stream nowhere, so that Python does not fail on it when it exits."""
    with suppress(OSError, ValueError):  # a stream of a test or a notebook has no number
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _counter(bar: Bar, description: str) -> Counter:
    task = bar.add_task(description, total=None)

    def move(done: int, total: int | None = None) -> None:
        bar.update(task, completed=done, total=total)

    return move


terminal = Terminal()
"""The terminal of this process."""
