"""The run of one target: starts workers, watches them, and keeps what they found.

A run has this folder::

    corpus/          inputs that reached new code; the first byte is the number of the suffix
    findings/KEY/    finding.json, the input, and a minimised input
    blocked.txt      digests of inputs that ended a worker, which the next one passes over
    current          the input that the worker reads now
    statistics-*     what each worker did
    log.txt          libFuzzer's own log
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from fuzz.oracle import Finding, Target

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 60
"""Time after which a worker that waits for something counts as hanging."""
_START_SECONDS = 300
_EDGES = re.compile(r"cov: (\d+)")
_HARNESS_FAILS = "/fuzz/worker.py"
"""Part of a traceback that no reader causes."""
_FRAME = re.compile(r'File ".*?/(cpabmm_core/[^"]+|targets/[^"]+)", line \d+ in (\w+)')


@dataclass
class Summary:
    """What a run did."""

    target: str
    seconds: float = 0.0
    executions: int = 0
    edges: int = 0
    outcomes: set[str] = field(default_factory=set)
    findings: Counter[str] = field(default_factory=Counter)
    """How often each finding was seen, by the name of its folder."""


class Driver:
    """Runs workers on a target for a given time.

    Args:
        target: the readers.
        folder: folder of the run; an existing one continues.
        seed: seed of all random choices.
    """

    def __init__(self, target: Target, folder: Path, seed: int) -> None:
        self._target = target
        self._folder = folder.resolve()
        self._seed = seed
        self._started = 0
        self._crashes: Counter[str] = Counter()
        self._process: psutil.Popen | None = None
        self.stopped = False

    def run(self, seconds: float) -> Summary:
        """Fuzz for a time and return what was found."""
        self._prepare()
        start = time.monotonic()
        try:
            while not self.stopped and (left := seconds - (time.monotonic() - start)) > 0:
                self._run_worker(left)
        finally:
            self._end_worker()
            shutil.rmtree(self._folder / "scratch", ignore_errors=True)
        return self._summary(time.monotonic() - start)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: end the run soon; what was found until then counts."""
        self.stopped = True

    def _prepare(self) -> None:
        for name in ("corpus", "findings"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "blocked.txt").touch()
        for old in self._folder.glob("statistics-*"):
            old.unlink()
        seeds = self._folder / "seeds"
        if not seeds.exists():
            seeds.mkdir()
            self._target.write_seeds(seeds)
        for path in sorted(seeds.iterdir()):
            number = (
                self._target.suffixes.index(path.suffix)
                if path.suffix in self._target.suffixes
                else 0
            )
            content = bytes([number]) + path.read_bytes()
            (self._folder / "corpus" / f"seed-{path.name}").write_bytes(content)

    def _run_worker(self, seconds: float) -> None:
        """Run one worker until it dies, breaks a bound or the time is over."""
        scratch = self._folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        (scratch / "tmp").mkdir(parents=True)
        (self._folder / "current").unlink(missing_ok=True)
        self._process = self._start()
        end = time.monotonic() + seconds
        watch = _Watch(self._process, self._folder / "current", self._target)
        while time.monotonic() < end and not self.stopped:
            time.sleep(_POLL_SECONDS)
            code = self._process.poll()
            if code is not None:
                self._keep_crash(_signal_name(code), f"exit status {code}")
                return
            if broken := watch.broken_bound():
                self._interrupt()
                self._keep_crash(*broken)
                return
        self._end_worker()

    def _start(self) -> psutil.Popen:
        self._started += 1
        seed = str(self._seed + self._started)
        command = [sys.executable, "-m", "fuzz.worker", self._target.name, str(self._folder)]
        settings = {
            "TMPDIR": str(self._folder / "scratch" / "tmp"),
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
        }
        with (self._folder / "log.txt").open("ab") as log:
            return psutil.Popen(
                [*command, "--seed", seed],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **settings},
            )

    def _interrupt(self) -> None:
        """Ask the worker where it is, then end it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        self._end_worker()

    def _end_worker(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _keep_crash(self, kind: str, detail: str) -> None:
        current = self._folder / "current"
        output = _text(self._folder / "scratch" / "output.txt")
        if not current.exists() or _HARNESS_FAILS in output:
            log = _text(self._folder / "log.txt")
            raise RuntimeError(f"a worker fails ({detail}): {log[-1000:]}{output[-2000:]}")
        data = current.read_bytes()
        trace = _text(self._folder / "trace.txt")
        frame = _FRAME.search(trace)
        place = f"{frame[1]}:{frame[2]}" if frame else ""
        finding = Finding(kind, "all", detail, place, trace[:3000])
        with (self._folder / "blocked.txt").open("a") as blocked:
            blocked.write(sha256(data).hexdigest() + "\n")
        name = sha256(f"{kind} | {place}".encode()).hexdigest()[:12]
        self._crashes[name] += 1
        folder = self._folder / "findings" / name
        if folder.exists():
            return
        folder.mkdir()
        suffix = self._target.suffixes[data[0] % len(self._target.suffixes)] if data else ""
        (folder / f"input{suffix}").write_bytes(data[1:])
        (folder / "corpus-entry").write_bytes(data)
        values = {**vars(finding), "key": f"{kind} | {place}"}
        (folder / "finding.json").write_text(json.dumps(values, indent=1))

    def _summary(self, seconds: float) -> Summary:
        summary = Summary(self._target.name, seconds, findings=Counter(self._crashes))
        for path in self._folder.glob("statistics-*"):
            numbers: dict[str, Any] = json.loads(path.read_text())
            summary.executions += numbers["executions"]
            summary.outcomes |= set(numbers["outcomes"])
            summary.findings.update(numbers["findings"])
        log = _text(self._folder / "log.txt")
        summary.edges = max(map(int, _EDGES.findall(log)), default=0)
        return summary


class _Watch:
    """The time and memory that a worker takes for its present input."""

    def __init__(self, process: psutil.Popen, current: Path, target: Target) -> None:
        self._process, self._current, self._target = process, current, target
        self._since = time.monotonic()
        self._seconds = 0.0
        self._modified: float | None = None
        self._base = 0

    def broken_bound(self) -> tuple[str, str] | None:
        """Return the kind and the description of a broken bound."""
        now = time.monotonic()
        try:
            modified = self._current.stat().st_mtime
        except FileNotFoundError:
            return ("slow", "no first input") if now - self._since > _START_SECONDS else None
        try:
            seconds = sum(self._process.cpu_times()[:2])
            memory = self._process.memory_info().rss
            waits = self._process.status() == psutil.STATUS_SLEEPING  # and is not just out of turn
        except psutil.Error:
            return None  # it has just ended, which the driver sees next
        if modified != self._modified:
            self._base = self._base or memory
            self._modified, self._since, self._seconds = modified, now, seconds
        if seconds - self._seconds > self._target.seconds:
            return "slow", f"more than {self._target.seconds:.0f} s"
        if waits and now - self._since > _PATIENCE_SECONDS:
            return "slow", f"waits for more than {_PATIENCE_SECONDS} s"
        if memory - self._base > 2 * self._target.megabytes << 20:
            return "memory", f"more than {2 * self._target.megabytes} MB"
        return None


def _signal_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else "exit"


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
