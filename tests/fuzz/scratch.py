"""The folder in which readers work, and the file that their output leads to."""

import os
from pathlib import Path

from fuzz.oracle import Judge, Target
from fuzz.surroundings import Surroundings

_BAIT = b"a reader that opens this file is found out"


class Scratch:
    """A folder for one process; creating it makes the parts.

    Args:
        folder: an existing folder without these parts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("in", "out", "tmp", "here"):
            (folder / part).mkdir(exist_ok=True)
        for part in ("here", "in"):  # relative names start at one of these
            (folder / part / "bait.mp4").write_bytes(_BAIT)

    def write_input(self, data: bytes, suffix: str) -> Path:
        """Write the input to read next and return its path."""
        path = self.folder / "in" / f"input{suffix}"
        path.write_bytes(data)
        return path

    def judge(self, target: Target) -> Judge:
        """Enter the folder, lead stdout and stderr to a file in it, and return a judge."""
        os.chdir(self.folder / "here")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        output = os.open(self.folder / "output.txt", flags)
        os.dup2(output, 1)
        os.dup2(output, 2)
        return Judge(target, Surroundings(self.folder, output), self.folder / "out")
