import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from cpabmm_cli.console import Terminal, as_json
from cpabmm_cli.training_progress import TrainingProgress


def terminal(
    *, interactive: bool, clock: Callable[[], float] | None = None
) -> tuple[Terminal, io.StringIO]:
    """Return a terminal that writes stderr to a string."""
    made, stream = Terminal(), io.StringIO()
    made._stderr = Console(
        file=stream, force_terminal=interactive, highlight=False, width=80, get_time=clock
    )
    return made, stream


def test_json_has_a_schema_version_and_no_nan() -> None:
    assert json.loads(as_json({"name": "snø"})) == {"schema": 1, "name": "snø"}
    assert "\n" not in as_json({"text": "a\nb"})
    with pytest.raises(ValueError, match="JSON"):
        as_json({"l1": float("nan")})


def test_bars_are_shown_only_on_a_terminal() -> None:
    for interactive, quiet, shown in (
        (True, False, True),
        (True, True, False),
        (False, False, False),
    ):
        made, stream = terminal(interactive=interactive)
        made.quiet = quiet
        with made.counter("rendering") as progress:
            progress(3, 7)
        assert ("rendering" in stream.getvalue()) is shown


def test_download_during_another_bar_shows_none() -> None:
    made, stream = terminal(interactive=True)
    with made.counter("scoring"), made.download_bar("vgg.pth") as progress:
        progress(3, 7)
    assert "vgg.pth" not in stream.getvalue()
    with made.download_bar("vgg.pth") as progress:
        progress(3_000_000, 7_000_000)
    assert "vgg.pth" in stream.getvalue()
    assert "3.0/7.0 MB" in stream.getvalue()


def test_bar_shows_the_count() -> None:
    made, stream = terminal(interactive=True)
    with made.counter("rendering") as progress:
        progress(3, 7)
    assert "3/7" in stream.getvalue()


def test_bar_with_a_unit_shows_the_rate() -> None:
    now = 0.0
    made, stream = terminal(interactive=True, clock=lambda: now)
    with made.counter("rendering", "frames") as progress:
        for done in (5, 10):
            now += 2
            progress(done, None)
    assert "2.5 frames/s" in stream.getvalue()


@pytest.mark.parametrize("seconds", [2, 45, 200])
def test_slow_bar_shows_the_remaining_time(seconds: int) -> None:
    """After 2 of 9 items, 7 remain."""
    now = 0.0
    made, stream = terminal(interactive=True, clock=lambda: now)
    with made.counter("rendering") as progress:
        for done in (1, 2):
            now += seconds
            progress(done, 9)
    assert str(timedelta(seconds=7 * seconds)) in stream.getvalue()


def test_training_without_a_terminal_prints_a_line_at_the_end() -> None:
    made, stream = terminal(interactive=False)
    with TrainingProgress(made) as reporter:
        reporter.start(4, 2)
        reporter.message("hello")
        reporter.step(3, {"loss": 1.5}, 0.25)
        reporter.panel(Path("panel.png"))
        reporter.step(4, {"loss": 1.25, "warp": 0.5}, 0.25)
    hello, panel, last = stream.getvalue().splitlines()
    assert (hello, panel) == ("hello", "panel panel.png")
    assert last.startswith("step 4/4  0 s left  ")
    assert last.endswith("steps/s  data 25%  loss 1.25  warp 0.5")


def test_validation_is_a_line() -> None:
    made, stream = terminal(interactive=False)
    with TrainingProgress(made) as reporter:
        reporter.start(4, 0)
        reporter.validation(2, 0.03, 0.06)
    assert stream.getvalue() == "step 2: test l1 0.03000, static baseline 0.06000, ratio 0.500\n"


def test_training_on_a_terminal_shows_a_bar_with_losses_below_messages() -> None:
    made, stream = terminal(interactive=True)
    with TrainingProgress(made) as reporter:
        reporter.start(10, 0)
        reporter.step(1, {f"a rather long name {k}": 1.5 for k in range(5)}, 0.25)
        reporter.message("hello")
        reporter._bar.refresh()
    text = stream.getvalue()
    assert "hello" in text
    assert "1/10" in text
    assert "name 0 1.5" in " ".join(text.split())
    assert "name 4 1.5" in " ".join(text.split())


def test_training_is_silent_when_quiet() -> None:
    for interactive in (True, False):
        made, stream = terminal(interactive=interactive)
        made.quiet = True
        with TrainingProgress(made) as reporter:
            reporter.start(1, 0)
            reporter.message("hello")
            reporter.step(1, {"loss": 1.5}, 0.25)
        assert stream.getvalue() == ""


def test_resumed_bar_counts_from_the_first_step() -> None:
    made, stream = terminal(interactive=True)
    with TrainingProgress(made) as reporter:
        reporter.start(10, 4)
        reporter.step(5, {"loss": 1.5}, 0.25)
        reporter._bar.refresh()
    assert "5/10" in stream.getvalue()
