"""The folder of an ablation: its budget, its results, and who works on which run."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from cpabmm_core.errors import ConfigError, DataError, OutputExistsError
from cpabmm_core.files.locks import exclusive_lock
from cpabmm_core.files.output import write_atomically

RESULTS = "results.jsonl"
FAILURES = "failures.jsonl"
_BUDGET = "budget.json"


class Key(NamedTuple):
    """What identifies a run."""

    data_set: str
    row: str
    seed: int

    def __str__(self) -> str:
        return f"{self.data_set} {self.row} seed {self.seed}"


@dataclass(frozen=True)
class Budget:
    """What all runs of a folder have in common."""

    steps: int = 1000
    """Training steps of a row."""
    tuning_steps: int = 200
    """Further steps of the rows that begin with a trained model."""
    settings: tuple[str, ...] = ()
    """Changes of every row's configuration, applied last."""


class Store:
    """The folder of an ablation. Several processes may use it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settle(self, budget: Budget) -> None:
        """Note the budget of a new folder, or compare it with that of an existing one.

        Raises:
            ConfigError: the folder has runs of another budget.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock("budget"):
            file = self.folder / _BUDGET
            if not file.exists():
                write_atomically(file, json.dumps(asdict(budget), indent=2).encode())
        if self.budget() != budget:
            raise ConfigError(
                f"{self.folder}: has runs of another budget, {self.budget()}; repeat its options "
                "or choose a new folder"
            )

    def budget(self) -> Budget:
        """Return the budget.

        Raises:
            DataError: the folder is not that of an ablation.
        """
        try:
            values = json.loads((self.folder / _BUDGET).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"{self.folder}: holds no ablation; check the path") from None
        return Budget(**{**values, "settings": tuple(values["settings"])})

    def data(self, name: str) -> Path:
        """Return the folder of a data set with its parts ``train`` and ``test``."""
        return self.folder / "data" / name

    def run(self, key: Key) -> Path:
        """Return the folder of a run."""
        return self.folder / key.data_set / key.row / f"seed-{key.seed}"

    def results(self) -> dict[Key, dict[str, Any]]:
        """Return the results of all finished runs; of several of one run, the last one."""
        return {key_of(line): line for line in read_lines(self.folder / RESULTS)}

    def add(self, key: Key, values: Mapping[str, Any]) -> None:
        """Append the results of a run."""
        self._append(RESULTS, key, values)

    def add_failure(self, key: Key, trouble: str) -> None:
        """Note why a run failed. The next call of the tool tries it again."""
        self._append(FAILURES, key, {"trouble": trouble})

    @contextmanager
    def claim(self, key: Key) -> Iterator[bool]:
        """Keep other processes off a run while the context lasts.

        The operating system holds the lock, so that the claim of a killed process ends with it.

        Yields:
            Whether the run is ours; False if another process works on it.
        """
        busy = OutputExistsError(f"{key}: another process works on it")
        with ExitStack() as stack:
            try:
                stack.enter_context(self._lock("-".join(map(str, key)), busy))
            except OutputExistsError as error:
                if error is not busy:
                    raise
                ours = False
            else:
                ours = True
            yield ours

    def _append(self, name: str, key: Key, values: Mapping[str, Any]) -> None:
        line = {"set": key.data_set, "row": key.row, "seed": key.seed, **values}
        with self._lock(name), (self.folder / name).open("a+b") as file:
            file.write(f"{_line_break(file)}{json.dumps(line, allow_nan=False)}\n".encode())

    def _lock(
        self, name: str, busy: OutputExistsError | None = None
    ) -> AbstractContextManager[None]:
        folder = self.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return exclusive_lock(folder / f"{name}.lock", self.folder, lambda _: None, busy=busy)


def key_of(line: Mapping[str, Any]) -> Key:
    """Return the key of a line of results."""
    return Key(line["set"], line["row"], line["seed"])


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines. A missing file has none; one that was cut short is left out."""
    lines = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        with suppress(JSONDecodeError):
            lines.append(json.loads(text))
    return lines


def _line_break(file: BinaryIO) -> str:
    """Return what ends the last line if a killed process has cut it short."""
    if not file.seek(0, os.SEEK_END):
        return ""
    file.seek(-1, os.SEEK_END)
    return "" if file.read(1) == b"\n" else "\n"
