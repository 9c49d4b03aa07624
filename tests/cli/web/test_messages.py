"""What the page says."""

import errno
from pathlib import Path

import pytest

from cpabmm_cli.web.messages import explain, failure, progress, result
from cpabmm_cli.web.rendering import Finished, Running
from cpabmm_core.errors import ConfigError, MediaError, Remedy
from cpabmm_core.inference import AnimationReport

FOLDER = Path("/tmp/cpabmm-app-x")
REPORT = AnimationReport(75, (480, 360), 5.0, "copied", "relative", 4, (0, 0, 480, 360), None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MediaError(f"{FOLDER}/session-1/tmp2/my cat.png: is empty"), "my cat.png: is empty"),
        (MediaError("a.png: broken", "give another"), "a.png: broken; give another"),
        (
            ConfigError("mode avd: no network", "pass mode=x", remedy=Remedy.TRAIN_AVD),
            "mode avd: no network; choose the mode Relative",
        ),
        (MediaError("a.mp4: exists", "pass force", remedy=Remedy.OVERWRITE), "a.mp4: exists"),
        (MediaError("two\nlines"), "two lines"),
        (MemoryError(), "Out of memory. Use a smaller picture."),
        (OSError(errno.ENOSPC, "No space"), "The disk of the server is full."),
        (
            KeyError("/etc/passwd"),
            "Unexpected KeyError. The terminal of the server shows more.",
        ),
    ],
)
def test_errors_are_one_line_without_folders_and_options(error: Exception, text: str) -> None:
    assert explain(error, FOLDER) == text


def test_names_of_files_are_no_markup() -> None:
    html = failure(MediaError("<img src=x onerror=alert(1)>.png: is empty"), FOLDER)
    assert "<img" not in html
    assert "&lt;img" in html
    note = MediaError("<b>a</b>: cropped")
    shown = result(Finished(FOLDER / "o.mp4", REPORT, ["<i>b</i>: crop 1,2,3,4", note]), FOLDER)
    assert "<i>" not in shown
    assert "<b>" not in shown


def test_progress_has_rate_and_remaining_time() -> None:
    shown = progress(Running("rendering", 21, 61, 2.0))
    assert "Rendering: frame 21 of 61, 10.0 frames/s, 4 s left" in shown
    assert 'value="0.344"' in shown
    first = progress(Running("rendering", 1, None, 0.0))
    assert "Rendering: frame 1<" in first
    assert "value" not in first


def test_the_end_tells_size_time_and_reference() -> None:
    shown = result(Finished(FOLDER / "o.mp4", REPORT, []), FOLDER)
    assert "75 frames of 480 x 360, 5.0 s, 15.0 frames/s, reference frame 4" in shown
