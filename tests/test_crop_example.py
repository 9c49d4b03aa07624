"""The example that crops to a small character and pastes the animated part back."""

import runpy
from pathlib import Path

from typer.testing import CliRunner

from cpabmm_core.media.image import read_image

SCRIPT = Path(__file__).parents[1] / "examples" / "crop_and_paste_back.py"
GAP = 6


def test_only_the_region_that_it_prints_changes(tmp_path: Path) -> None:
    output = tmp_path / "panel.png"
    outcome = CliRunner().invoke(runpy.run_path(str(SCRIPT))["app"], ["-o", str(output)])
    assert outcome.exit_code == 0, outcome.output
    crop, written = outcome.output.split("\n")[:2]
    assert written == str(output)
    left, top, width, height = map(int, crop.removeprefix("crop ").split(","))
    panel = read_image(output)
    before, after = panel[:, :384], panel[:, -384:]
    assert panel.shape == (288, 2 * (384 + GAP) + width, 3)
    changed = (before != after).any(axis=2)
    assert changed[top : top + height, left : left + width].mean() > 0.02
    changed[top : top + height, left : left + width] = False
    assert not changed.any()
