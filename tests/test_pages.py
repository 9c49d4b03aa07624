"""The code blocks of README and the documentation, run like a reader runs them."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _helpers.pages import ROOT, Block, blocks, pages

WITH_CODE = [page for page in pages() if any(True for _ in blocks(page))]
TESTED_ELSEWHERE = {ROOT / "docs" / "pipeline.md"}
"""Pages whose blocks another test runs: `test_pipeline.py` also looks at what they write."""
COLUMNS = 120


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples, in which `cpabmm` is the command of this checkout."""
    commands = tmp_path / "bin"
    commands.mkdir()
    python = shlex.quote(sys.executable)
    for name, line in {"cpabmm": "-m cpabmm_cli", "python": "", "torchrun": ""}.items():
        module = "-m torch.distributed.run" if name == "torchrun" else line
        (commands / name).write_text(f'#!/bin/sh\nexec {python} {module} "$@"\n')
        (commands / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    (work / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CPABMM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # other tests may run at the same time
    return work


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block in the current folder; Python blocks of a page share their names."""
    if block.language == "python":
        where = f"{block.page.name}:{block.line}"
        exec(compile(block.code, where, "exec"), names)
        return
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{block.code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block.page.name}, line {block.line}:\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "page",
    [page for page in WITH_CODE if page not in TESTED_ELSEWHERE],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_code_blocks_run(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.skipped is None:
            run(block, names)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_are_short(page: Path) -> None:
    """Tables, links and code may be longer."""
    lines = page.read_text(encoding="utf-8").splitlines()
    long = [
        number
        for number, line in enumerate(lines, 1)
        if len(line) > COLUMNS and "|" not in line and "](" not in line and "://" not in line
    ]
    assert long == []


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_skipped_blocks_give_a_reason(page: Path) -> None:
    assert all(len(block.skipped.split()) > 1 for block in blocks(page) if block.skipped)


def test_markers_and_blocks_are_parsed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- test: setup\necho 1 > a\n-->\n```python\nx = 1\n```\n\n"
        "<!-- test: skip needs a GPU -->\n```bash\ncpabmm\n```\n"
        "- item\n\n  ```bash\n  true\n  ```\n```text\nno code\n```\n"
    )
    found = [(each.language, each.code, each.skipped, each.setup) for each in blocks(page)]
    assert found == [
        ("shell", "echo 1 > a\n", None, True),
        ("python", "x = 1\n", None, False),
        ("shell", "cpabmm\n", "needs a GPU", False),
        ("shell", "true\n", None, False),
    ]


def test_a_failing_block_fails_the_test(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    with pytest.raises(AssertionError, match=r"page.md, line 3"):
        run(Block(page, 3, "shell", "false | true\n", None), {})
    with pytest.raises(ZeroDivisionError):
        run(Block(page, 3, "python", "1 / 0\n", None), {})
