"""Read one input and print what is wrong: ``python tests/fuzz/replay.py TARGET FILE``."""

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path[0:1] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from fuzz.oracle import Judge
from fuzz.surroundings import Surroundings


def main(name: str, file: Path) -> int:
    """Judge one file; return 1 if anything is wrong."""
    target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    scratch = Path(tempfile.mkdtemp())
    for part in ("in", "out", "here"):
        (scratch / part).mkdir()
    path = scratch / "in" / f"input{file.suffix}"
    shutil.copy(file, path)
    (scratch / "here" / "bait.mp4").write_bytes(b"a reader that opens this file is found out")
    os.chdir(scratch / "here")
    terminal = os.dup(1)
    output = os.open(scratch / "output.txt", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    judge = Judge(target, Surroundings(scratch, output), scratch / "out")
    try:
        findings = list(judge.judge(path))
    finally:
        os.dup2(terminal, 2)
    lines = [f"{each.key}\n  {each.detail}\n{each.trace}" for each in findings]
    os.write(terminal, "\n".join([*lines, *sorted(judge.outcomes), ""]).encode())
    shutil.rmtree(scratch)
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve()))
