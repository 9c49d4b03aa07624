"""The one place that prints: results to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

JSON_SCHEMA = 1
_SPEED_OVER_SECONDS = 600.0
"""How far back the time left is judged from: an item may take longer than rich's half minute."""


class Counter(Protocol):
    """Moves a bar."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """So many are done, of so many if that is known."""


def as_json(document: Mapping[str, Any]) -> str:
    """A result as one JSON document on one line, led by its schema version."""
    return json.dumps({"schema": JSON_SCHEMA, **document}, allow_nan=False, ensure_ascii=False)


class Bar(Progress):
    """A bar, and under it what else there is to say of its state."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar and the note."""
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note)


class Terminal:
    """The person's screen.

    Attributes:
        quiet: leave out messages and bars; results and errors stay.
        debug: show the traceback of an error.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.debug = False
        self._stderr = Console(stderr=True, highlight=False)

    @property
    def is_interactive(self) -> bool:
        """Whether stderr is a terminal that can redraw a bar."""
        return self._stderr.is_terminal and not self._stderr.is_dumb_terminal

    def result(self, text: str) -> None:
        """A line of the result."""
        sys.stdout.write(text + "\n")

    def say(self, text: str) -> None:
        """A message, unless `quiet`."""
        if not self.quiet:
            self._stderr.print(text, markup=False, soft_wrap=True)

    def error(self, text: str) -> None:
        """One line that says what went wrong, whatever line breaks the text has."""
        self._stderr.print("error: ", style="bold red", end="")
        self._stderr.print(" ".join(text.split()), markup=False, soft_wrap=True)

    def traceback(self, error: BaseException) -> None:
        """Where the error came from, for `--debug`."""
        import traceback

        lines = traceback.format_exception(error)
        self._stderr.print("".join(lines), markup=False, soft_wrap=True, end="")

    def bar(self) -> Bar:
        """A bar with a count, the time passed and the time left; drawn only on a terminal."""
        return Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._stderr,
            speed_estimate_period=_SPEED_OVER_SECONDS,
            transient=True,
            disable=self.quiet or not self.is_interactive,
        )

    @contextmanager
    def counter(self, description: str) -> Iterator[Counter]:
        """A bar for as long as the context lasts."""
        with self.bar() as bar:
            task = bar.add_task(description, total=None)

            def move(done: int, total: int | None = None) -> None:
                bar.update(task, completed=done, total=total)

            yield move


terminal = Terminal()
