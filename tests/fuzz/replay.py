"""Reading of one input, for a person who mends what was found."""

import os
import shutil
import tempfile
from pathlib import Path

from fuzz.scratch import Scratch
from fuzz.targets import load_target


def replay(name: str, file: Path) -> int:
    """Read a file with a target, print what is wrong, and return 1 if anything is."""
    target = load_target(name)
    terminal = os.dup(1)
    folder = Path(tempfile.mkdtemp())
    scratch = Scratch(folder)
    path = scratch.write_input(file.read_bytes(), file.suffix)
    judge = scratch.judge(target)
    findings = list(judge.judge(path))
    os.dup2(terminal, 1)
    lines = [f"{each.key}\n{each.detail}\n{each.trace}\n" for each in findings]
    text = "\n".join([*lines, *sorted(judge.outcomes), ""])
    os.write(terminal, text.encode(errors="replace"))
    os.chdir("/")
    shutil.rmtree(folder)
    return int(bool(findings))
