"""The only module that prints: results to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

JSON_SCHEMA = 1
_SPEED_OVER_SECONDS = 600.0
"""Period over which a bar estimates its speed. One item may take longer than the 30 seconds that
rich uses by default."""


class Counter(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """Set the number of finished items, and the total if it is known."""


def as_json(document: Mapping[str, Any]) -> str:
    """Return a result as a JSON document on one line; its first key is the schema version."""
    return json.dumps({"schema": JSON_SCHEMA, **document}, allow_nan=False, ensure_ascii=False)


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
        self._stderr = Console(stderr=True, highlight=False)
        self._shows_bar = False

    @property
    def is_interactive(self) -> bool:
        """Whether stderr is a terminal that can redraw a bar."""
        return self._stderr.is_terminal and not self._stderr.is_dumb_terminal

    def result(self, text: str) -> None:
        """Print a line of the result to stdout."""
        sys.stdout.write(text + "\n")

    def say(self, text: str) -> None:
        """Print a status message, unless `quiet` is set."""
        if not self.quiet:
            self._stderr.print(text, markup=False, soft_wrap=True)

    def error(self, text: str) -> None:
        """Print an error message on one line; line breaks in the text become spaces."""
        self._stderr.print("error: ", style="bold red", end="")
        self._stderr.print(" ".join(text.split()), markup=False, soft_wrap=True)

    def traceback(self, error: BaseException) -> None:
        """Print the traceback of an error, for `--debug`."""
        import traceback

        lines = traceback.format_exception(error)
        self._stderr.print("".join(lines), markup=False, soft_wrap=True, end="")

    def bar(self) -> Bar:
        """Return a bar with a count, the elapsed and the remaining time.

        It is visible only on an interactive terminal, and not if `quiet` is set.
        """
        return self._bar(MofNCompleteColumn(), TimeElapsedColumn())

    @contextmanager
    def counter(self, description: str) -> Iterator[Counter]:
        """Show a bar that counts items while the context lasts."""
        with self._show(self.bar()) as bar:
            yield _counter(bar, description)

    @contextmanager
    def download_bar(self, description: str) -> Iterator[Counter]:
        """Show a bar that counts bytes while the context lasts; none below another bar."""
        with self._show(self._bar(DownloadColumn(), TransferSpeedColumn())) as bar:
            yield _counter(bar, description)

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


def _counter(bar: Bar, description: str) -> Counter:
    task = bar.add_task(description, total=None)

    def move(done: int, total: int | None = None) -> None:
        bar.update(task, completed=done, total=total)

    return move


terminal = Terminal()
"""The terminal of this process."""
