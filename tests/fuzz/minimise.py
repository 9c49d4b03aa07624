"""Make the inputs of findings smaller, while they give the same finding.

A process of its own loads the readers once. It tries each candidate in a fork, which may crash or
hang without harm.
"""

import argparse
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fuzz.scratch import Scratch
from fuzz.targets import load_target

_SECONDS_PER_FINDING = 10
_SECONDS_PER_TRY = 15
_ADDRESS_SPACE = 8 << 30


def minimise_findings(name: str, folder: Path) -> None:
    """Write ``minimal`` next to the input of each finding of a run."""
    worker = [sys.executable, "-m", "fuzz.minimise", name, str(folder.resolve())]
    subprocess.run(worker, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Minimiser:
    """Tries inputs of one target.

    Args:
        name: name of the target.
        scratch: folder for the inputs and the output of the readers.
    """

    def __init__(self, name: str, scratch: Scratch) -> None:
        self._target = load_target(name)
        self._scratch = scratch

    def minimise(self, data: bytes, suffix: str, key: str) -> bytes:
        """Return a smaller input with the same finding; the input itself if there is none."""
        end = time.monotonic() + _SECONDS_PER_FINDING
        if key not in self.keys(data, suffix):
            return data
        progress = True
        while progress:
            progress = False
            for candidate in _smaller(data):
                if time.monotonic() > end:
                    return data
                if key in self.keys(candidate, suffix):
                    data, progress = candidate, True
                    break
        return data

    def keys(self, data: bytes, suffix: str) -> set[str]:
        """Return the keys of all findings of an input."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._judge(data, suffix, writing)
        os.close(writing)
        text = _read_all(reading, time.monotonic() + _SECONDS_PER_TRY)
        os.close(reading)
        if text is None:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if text is None:
            return {"slow | "}
        if os.WIFSIGNALED(status):
            return {f"{signal.Signals(os.WTERMSIG(status)).name} | "}
        return set(text.decode().splitlines())

    def _judge(self, data: bytes, suffix: str, writing: int) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
        path = self._scratch.write_input(data, suffix)
        judge = self._scratch.judge(self._target)
        keys = [" ".join(finding.key.split()) for finding in judge.judge(path)]
        os.write(writing, "\n".join(keys).encode(errors="replace"))
        os._exit(0)


def _smaller(data: bytes) -> Iterator[bytes]:
    """Yield the input without ever shorter ranges."""
    length = len(data)
    size = max(1, length // 2)
    while size >= max(1, length // 64):
        for start in range(length - length % size, -1, -size):
            if start < length:
                yield data[:start] + data[start + size :]
        size //= 2


def _read_all(handle: int, end: float) -> bytes | None:
    """Read a pipe to its end; return None if the time is over."""
    text = b""
    while True:
        ready, _, _ = select.select([handle], [], [], max(0, end - time.monotonic()))
        if not ready:
            return None
        piece = os.read(handle, 65536)
        if not piece:
            return text
        text += piece


def main() -> None:
    """Minimise all findings of a run that have not been minimised."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    minimiser = Minimiser(arguments.target, Scratch(scratch))
    for folder in sorted((arguments.folder / "findings").iterdir()):
        [path] = folder.glob("input*")
        target = folder / f"minimal{path.suffix}"
        key = " ".join(json.loads((folder / "finding.json").read_text())["key"].split())
        if key.startswith(("SIG", "slow")):
            key = key.split(" | ")[0] + " | "
        if not target.exists():
            target.write_bytes(minimiser.minimise(path.read_bytes(), path.suffix, key))
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
