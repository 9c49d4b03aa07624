"""The runs of the ablation: a folder that processes share, and the loop over all runs."""

import multiprocessing
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _helpers.tiny_model import tiny_model
from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.rows import select_rows
from ablation.running import Ablation
from ablation.scores import Scorer
from ablation.store import FAILURES, Budget, Key, Store, read_lines
from ablation.training import StepClock, Task

from cpabmm_core.errors import ConfigError, DataError, TrainingError, TrainingStopped
from cpabmm_core.puppets import write_puppets

KEY = Key("puppets", "tps", 0)


def hold(folder: Path, note: Path) -> None:
    """Claim a run and keep it until killed."""
    with Store(folder).claim(KEY) as ours:
        note.write_text(str(ours))
        signal.pause()


def test_a_claim_ends_with_a_killed_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=hold, args=(tmp_path, tmp_path / "note"))
    process.start()
    while not (tmp_path / "note").exists() or not (tmp_path / "note").read_text():
        assert process.is_alive()
        process.join(0.005)
    with Store(tmp_path).claim(KEY) as ours, Store(tmp_path).claim(KEY._replace(seed=1)) as other:
        assert (tmp_path / "note").read_text() == "True"
        assert not ours
        assert other
    process.kill()
    process.join()
    with Store(tmp_path).claim(KEY) as ours:
        assert ours


def test_a_claim_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Store(tmp_path).claim(KEY):
        _ = 1 // 0
    with Store(tmp_path).claim(KEY) as ours:
        assert ours


def test_the_last_result_of_a_run_counts_and_a_line_cut_short_does_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.settle(Budget())
    store.add(KEY, {"l1": 1.0})
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"set": "pup')
    store.add(KEY, {"l1": 2.0})
    assert [line["l1"] for line in store.results().values()] == [2.0]


def test_runs_of_another_budget_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    store.settle(Budget(steps=5, settings=("training.batch_size=2",)))
    store.settle(Budget(steps=5, settings=("training.batch_size=2",)))
    with pytest.raises(ConfigError, match="has runs of another budget"):
        store.settle(Budget(steps=6))
    with pytest.raises(DataError, match="holds no ablation"):
        Store(tmp_path / "empty").budget()


class Fake(Ablation):
    """An ablation whose models need no scores."""

    def score(self, key: Key, row: object) -> dict[str, Any]:
        return {"score": key.seed}


def fake(
    tmp_path: Path,
    train: Callable[[Task], dict[str, Any]],
    *rows: str,
    **options: Any,  # noqa: ANN401
) -> Fake:
    store = Store(tmp_path)
    store.settle(Budget())
    sets, seeds = options.pop("sets", ["puppets"]), options.pop("seeds", [0])
    return Fake(store, select_rows([], rows), sets, seeds, train=train, **options)


def test_one_seed_of_everything_comes_first(tmp_path: Path) -> None:
    order: list[Key] = []

    def train(task: Task) -> dict[str, Any]:
        order.append(task.key)
        return {"steps": task.steps}

    runs = fake(tmp_path, train, "tps", "cpab", sets=["puppets", "taichi"], seeds=[0, 1])
    assert runs.run_missing() == []
    assert [key.seed for key in order] == [0] * 4 + [1] * 4
    assert [key[:2] for key in order[:4]] == [
        ("puppets", "tps"),
        ("taichi", "tps"),
        ("puppets", "cpab"),
        ("taichi", "cpab"),
    ]
    assert runs.store.results()[order[0]]["steps"] == Budget.steps
    assert runs.run_missing() == []
    assert len(order) == 8


def test_a_failed_run_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    calls: list[str] = []

    def train(task: Task) -> dict[str, Any]:
        calls.append(task.row.name)
        if task.row.name == "tps":
            raise TrainingError("loss: not finite")
        return {}

    runs = fake(tmp_path, train, "tps", "cpab", "tps-tuned", "tps-to-cpab-4")
    left = runs.run_missing()
    assert [key.row for key in left] == ["tps", "tps-to-cpab-4", "tps-tuned"]
    assert calls == ["tps", "cpab"]
    assert [key.row for key in runs.store.results()] == ["cpab"]
    [failure] = read_lines(tmp_path / FAILURES)
    assert (failure["row"], failure["trouble"]) == ("tps", "loss: not finite")


def test_a_run_of_another_process_is_left_to_it(tmp_path: Path) -> None:
    runs = fake(tmp_path, lambda _: {}, "tps", "cpab", "tps-tuned")
    with runs.store.claim(KEY):
        left = runs.run_missing()
    assert [key.row for key in left] == ["tps", "tps-tuned"]
    assert runs.run_missing() == []


def test_a_signal_ends_the_loop_between_two_runs(tmp_path: Path) -> None:
    answers = iter([None, 15])
    runs = fake(tmp_path, lambda _: {}, "tps", "cpab", stop=lambda: next(answers))
    with pytest.raises(TrainingStopped) as stopped:
        runs.run_missing()
    assert stopped.value.signal == 15
    assert [key.row for key in runs.store.results()] == ["tps"]


def test_a_signal_ends_the_scoring_between_two_videos(tmp_path: Path) -> None:
    write_puppets(tmp_path / "raw", videos=1, test_videos=2, frames=2, size=32, seed=0)
    scorer = Scorer(DATA_SETS["puppets"], tmp_path / "raw")
    calls: list[None] = []

    def stop() -> None:
        calls.append(None)
        if len(calls) == 2:
            raise TrainingStopped("stopped", signal=15)

    with pytest.raises(TrainingStopped):
        scorer.score(tiny_model(), stop)


def test_scoring_again_keeps_the_facts_of_training(tmp_path: Path) -> None:
    runs = fake(tmp_path, lambda _: {"seconds": 3}, "tps", "cpab")
    runs.run_missing()
    runs.rows = select_rows([], ["cpab"])
    assert runs.evaluate_all() == 1
    line = runs.store.results()[KEY._replace(row="cpab")]
    assert (line["seconds"], line["score"]) == (3, 0)
    assert len(read_lines(tmp_path / "results.jsonl")) == 3


def test_a_clock_passes_on_the_signal_and_takes_medians() -> None:
    clock = StepClock(lambda: 15)
    assert clock.facts() == {"processor_seconds_per_step": None, "seconds_per_step": None}
    assert [clock() for _ in range(3)] == [15, 15, 15]
    seconds = clock.facts()["seconds_per_step"]
    assert seconds is not None
    assert 0 <= seconds < 1
