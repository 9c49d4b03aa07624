"""Make the inputs of findings smaller, while they give the same finding.

A process of its own loads the readers once. It tries each candidate in a fork, which may crash or
hang without harm.
"""

import argparse
import importlib
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

sys.path[0:1] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

_SECONDS_PER_FINDING = 10
_SECONDS_PER_TRY = 15
_ADDRESS_SPACE = 8 << 30


def minimise_findings(name: str, folder: Path) -> None:
    """Write ``minimal`` next to the input of each finding of a run."""
    worker = [sys.executable, __file__, name, str(folder.resolve())]
    subprocess.run(worker, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Minimiser:
    """Tries inputs of one target.

    Args:
        name: name of the target.
        scratch: folder for the inputs and the output of the readers.
    """

    def __init__(self, name: str, scratch: Path) -> None:
        self._target = importlib.import_module(f"fuzz.targets.{name}").TARGET
        self._scratch = scratch
        for part in ("in", "out", "here", "tmp"):
            (scratch / part).mkdir()

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
        from fuzz.oracle import Judge
        from fuzz.surroundings import Surroundings

        limit = _ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        path = self._scratch / "in" / f"input{suffix}"
        path.write_bytes(data)
        output = os.open(self._scratch / "output.txt", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        judge = Judge(self._target, Surroundings(self._scratch, output), self._scratch / "out")
        keys = [finding.key.replace("\n", " ") for finding in judge.judge(path)]
        os.write(writing, "\n".join(keys).encode())
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
    minimiser = Minimiser(arguments.target, scratch)
    os.chdir(scratch / "here")
    for folder in sorted((arguments.folder / "findings").iterdir()):
        [path] = folder.glob("input*")
        target = folder / f"minimal{path.suffix}"
        key = json.loads((folder / "finding.json").read_text())["key"].replace("\n", " ")
        if key.startswith(("SIG", "slow")):
            key = key.split(" | ")[0] + " | "
        if not target.exists():
            target.write_bytes(minimiser.minimise(path.read_bytes(), path.suffix, key))
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
