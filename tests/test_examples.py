"""The shipped example and the scripts beside it, run as a reader of README.md would."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from _helpers.command_line import output_of
from typer.testing import CliRunner

from cpabmm_core.media.image import read_image
from cpabmm_core.media.video import VideoReader

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_first_command_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = tmp_path / "source--driving.mp4"
    printed = output_of("animate", EXAMPLES / "source.png", EXAMPLES / "driving.mp4")
    assert printed.strip() == result.name
    with VideoReader(EXAMPLES / "driving.mp4") as driving, VideoReader(result) as drawn:
        wanted = [frame.pts * driving.time_base for frame in driving]
        frames = list(drawn)
        assert [frame.pts * drawn.time_base for frame in frames] == wanted
    moved = np.abs(frames[0].image.astype(float) - frames[37].image).mean()
    assert moved > 2

    sheet = runpy.run_path(str(EXAMPLES / "contact_sheet.py"))["app"]
    arguments = [str(EXAMPLES / "driving.mp4"), str(result), "-o", "sheet.png"]
    outcome = CliRunner().invoke(sheet, [*arguments, "--first", str(EXAMPLES / "source.png")])
    assert outcome.exit_code == 0, outcome.output
    assert read_image(tmp_path / "sheet.png").shape == (2 * 128, 7 * 128 + 6 * 4, 3)


def test_shipped_files_are_what_the_script_renders(tmp_path: Path) -> None:
    script = tmp_path / "render_examples.py"
    script.write_text((EXAMPLES / "render_examples.py").read_text())
    runpy.run_path(str(script), run_name="__main__")
    difference = read_image(tmp_path / "source.png").astype(int) - read_image(
        EXAMPLES / "source.png"
    )
    assert np.abs(difference).max() <= 2
    with (
        VideoReader(tmp_path / "driving.mp4") as again,
        VideoReader(EXAMPLES / "driving.mp4") as shipped,
    ):
        for one, other in zip(again, shipped, strict=True):
            assert np.abs(one.image.astype(int) - other.image).mean() < 1
