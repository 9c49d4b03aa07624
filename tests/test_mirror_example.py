"""The example that mirrors a driving video."""

import runpy
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from cpabmm_core.media.image import read_image

SCRIPT = Path(__file__).parents[1] / "examples" / "mirror_driving.py"
SIZE, GAP = 128, 4


def test_both_videos_and_what_they_make_of_the_source_are_shown(tmp_path: Path) -> None:
    output = tmp_path / "sheet.png"
    outcome = CliRunner().invoke(runpy.run_path(str(SCRIPT))["app"], ["-o", str(output)])
    assert outcome.exit_code == 0, outcome.output
    sheet = np.pad(read_image(output), ((0, 0), (0, GAP), (0, 0)))
    frames = sheet.reshape(4, SIZE, 6, SIZE + GAP, 3)[:, :, :, :SIZE]
    rows = frames.swapaxes(1, 2)  # (4, 6, H, W, 3)
    assert np.array_equal(rows[2, 1:], rows[0, 1:, :, ::-1])
    assert all(np.array_equal(row[0], rows[0, 0]) for row in rows)
    moved = np.abs(rows[1::2, 2:].astype(float) - rows[1::2, :1]).mean(axis=(1, 2, 3, 4))
    assert (moved > 1).all()
