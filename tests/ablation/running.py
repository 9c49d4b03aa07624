"""The loop over all runs of an ablation."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.rows import Row
from ablation.scores import Scorer
from ablation.store import Key, Store
from ablation.training import Stop, Task, model_file, train_task
from benchmarks._report import describe_machine

from cpabmm_core import load_model
from cpabmm_core.errors import CpabmmError, TrainingStopped
from cpabmm_core.metrics.extractors import KeypointExtractor
from cpabmm_core.models import AnimationModel, with_cpab_motion

Report = Callable[[str], None]


@dataclass
class Ablation:
    """Trains and scores the runs of a folder."""

    store: Store
    rows: Sequence[Row]
    data_sets: Sequence[str]
    seeds: Sequence[int]
    stop: Stop = lambda: None
    report: Report = lambda _: None
    train: Callable[[Task], dict[str, Any]] = train_task
    people: KeypointExtractor | None = None
    device: str = "cpu"
    """Trains and computes the models: ``cpu`` or ``cuda``."""
    _scorers: dict[str, Scorer] = field(default_factory=dict)
    _failed: set[Key] = field(default_factory=set)

    def keys(self) -> Iterator[tuple[Key, Row]]:
        """Yield all runs: one seed of everything first, and one row of all data sets first."""
        for seed in self.seeds:
            for row in self.rows:
                for name in self.data_sets:
                    yield Key(name, row.name, seed), row

    def run_missing(self) -> list[Key]:
        """Train and score each run that has no result and that nobody else works on.

        Returns:
            Runs that are still missing: others work on them, they failed, or the run that they
            begin with is missing.

        Raises:
            TrainingStopped: `stop` has asked for it.
        """
        while True:
            before = len(self.store.results())
            left = [key for key, row in self.keys() if not self._settle(key, row)]
            # What was missing may have appeared meanwhile: the model that a run begins with.
            if not left or len(self.store.results()) == before:
                return left

    def evaluate_all(self) -> int:
        """Score all finished runs again, from the models that they left; return their number."""
        count = 0
        for key, line in self.store.results().items():
            row = next((row for row in self.rows if row.name == key.row), None)
            if row is None or key.data_set not in self.data_sets or key.seed not in self.seeds:
                continue
            self.report(f"{key}: scoring")
            self.store.add(key, {**_facts(line), **self.score(key, row)})
            count += 1
        return count

    def score(self, key: Key, row: Row) -> dict[str, Any]:
        """Return the scores of the model of a run."""
        if key.data_set not in self._scorers:
            folder = self.store.data(key.data_set)
            self._scorers[key.data_set] = Scorer(
                DATA_SETS[key.data_set], folder, people=self.people, device=self.device
            )
        model = open_model(self.store, key, row).to(self.device)
        count = sum(weights.numel() for weights in model.parameters())
        return {
            "scored_on": str(describe_machine()),
            "scored_commit": commit(),
            "parameters": count,
            **self._scorers[key.data_set].score(model, self._stop_if_asked),
        }

    def _may_start(self, key: Key, row: Row) -> bool:
        return row.start is None or key._replace(row=row.start) in self.store.results()

    def _settle(self, key: Key, row: Row) -> bool:
        """Train and score a run if that is possible; return whether it has a result."""
        if key in self.store.results():
            return True
        if key in self._failed or not self._may_start(key, row):
            return False
        self._stop_if_asked()
        with self.store.claim(key) as ours:
            if not ours:
                return False
            return key in self.store.results() or self._run_one(key, row)

    def _stop_if_asked(self) -> None:
        if (number := self.stop()) is not None:
            raise TrainingStopped("stopped by a signal", signal=number)

    def _run_one(self, key: Key, row: Row) -> bool:
        """Train and score a run; return whether it has succeeded."""
        self.report(f"{key}: begins")
        facts: dict[str, Any] = {
            "machine": asdict(describe_machine()),
            "gpu": None if self.device == "cpu" else torch.cuda.get_device_name(self.device),
            "commit": commit(),
        }
        try:
            if row.is_trained:
                say: Report = lambda text: self.report(f"{key}: {text}")  # noqa: E731
                budget = self.store.budget()
                task = Task(key, row, self.store, budget, self.stop, say, self.device)
                facts |= self.train(task)
            self.store.add(key, {**facts, **self.score(key, row)})
        except TrainingStopped:
            raise
        except CpabmmError as error:
            self._failed.add(key)
            self.store.add_failure(key, str(error))
            self.report(f"{key}: failed: {error}")
            return False
        self.report(f"{key}: done")
        return True


def open_model(store: Store, key: Key, row: Row) -> AnimationModel:
    """Load the model of a finished run; that of a swapped row comes from the row it begins with."""
    if row.swapped_cells is None:
        return load_model(model_file(store, key), device="cpu")
    assert row.start is not None
    splines = load_model(model_file(store, key._replace(row=row.start)), device="cpu")
    return with_cpab_motion(splines, cells=row.swapped_cells)


@cache
def commit() -> str | None:
    """Return the commit of this working tree, with a plus sign if files have changed.

    The first answer holds as long as the process, because the code has been read by then.
    """
    root = Path(__file__).parents[2]
    words = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _facts(line: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a line that scoring leaves as it is."""
    return {name: value for name, value in line.items() if name not in ("set", "row", "seed")}
