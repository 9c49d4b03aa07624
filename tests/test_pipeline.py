"""The shell commands of docs/pipeline.md, run unchanged."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "pipeline.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the commands of the page and return their folder; ``table.md`` holds the output."""
    folder = tmp_path_factory.mktemp("pipeline")
    command = folder / "bin" / "cpabmm"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cpabmm_cli "$@"\n')
    command.chmod(0o755)
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    script = f'set -euo pipefail\nPATH="{command.parent}:$PATH"\n{blocks[0]}'
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder / "table.md").write_text(done.stdout)
    return folder


def test_the_table_shows_the_metrics_of_both_models(folder: Path) -> None:
    printed = (folder / "table.md").read_text().strip().splitlines()
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in printed[-4:]]
    header, _, *models = rows
    assert [row[0] for row in models] == ["CPAB", "TPS"]
    for row, name in zip(models, ("cpab", "tps"), strict=True):
        document = json.loads((folder / "runs" / f"{name}.json").read_text())
        shown = dict(zip(header, row, strict=True))
        for key in ("l1", "akd", "mkr", "aed"):
            title = next(title for title in shown if title.upper().startswith(key.upper()))
            assert float(shown[title]) == pytest.approx(document[key], abs=1e-3)


def test_the_named_extractors_process_every_video(folder: Path) -> None:
    document = json.loads((folder / "runs" / "cpab.json").read_text())
    assert document["extractors"]["keypoints"]["name"] == "puppets"
    assert document["coverage"]["keypoints"]["real"] > 0.5
    clips = {path.name for path in (folder / "data" / "test").iterdir()}
    assert {video["name"] for video in document["videos"]} == clips
    identities = {name.partition("#")[0] for name in clips}
    trained = {path.name.partition("#")[0] for path in (folder / "data" / "train").iterdir()}
    assert identities
    assert trained
    assert not identities & trained


def test_the_contact_sheet_and_the_report_exist(folder: Path) -> None:
    assert (folder / "data" / "contact-sheet.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (folder / "runs" / "cpab.html").read_text(encoding="utf-8")
