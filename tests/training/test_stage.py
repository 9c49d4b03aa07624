"""Saving, stopping and finiteness checks, which both stages of training share."""

import signal
from pathlib import Path

import pytest
import torch
from _helpers.tiny_model import tiny_config
from accelerate import Accelerator

from cpabmm_core.errors import TrainingError, TrainingStopped
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.stage import FinitenessGuard, Stage


class Tracker:
    """Records that it was flushed."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def finish(self) -> None:
        self.events.append("flush")


@pytest.fixture
def events() -> list[str]:
    return []


def stage_of(
    folder: Path, events: list[str], monkeypatch: pytest.MonkeyPatch, stop: int | None
) -> Stage:
    """Return a stage of 10 steps that records what it does."""
    accelerator = Accelerator(cpu=True)
    accelerator.trackers = [Tracker(events)]
    monkeypatch.setattr(accelerator, "wait_for_everyone", lambda: events.append("wait"))
    monkeypatch.setattr(accelerator, "end_training", lambda: events.append("end"))
    run = TrainingRun(tiny_config(), folder, folder, stop=lambda: stop)
    stage = Stage(run, RunFolder(folder), accelerator, checkpoint_every=4)
    stage.total = 10
    return stage


def test_stopped_run_saves_and_flushes_its_trackers_before_it_ends(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher terminates the other processes when the first one has ended."""
    stage = stage_of(tmp_path, events, monkeypatch, signal.SIGTERM)
    with pytest.raises(TrainingStopped, match="after step 3 of 10") as stopped:
        stage.save_or_stop(3, lambda step: events.append(f"save {step}"))
    assert stopped.value.signal == signal.SIGTERM
    assert events == ["save 3", "flush", "wait", "end"]


def test_states_are_saved_at_intervals_and_at_the_end(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(tmp_path, events, monkeypatch, None)
    for step in range(1, 11):
        stage.save_or_stop(step, lambda step: events.append(f"save {step}"))
    assert events == ["save 4", "save 8", "save 10"]


def test_signal_in_the_last_step_ends_the_run_normally(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(tmp_path, events, monkeypatch, signal.SIGINT)
    stage.save_or_stop(10, lambda step: events.append(f"save {step}"))
    assert events == ["save 10"]


@pytest.mark.parametrize("clips", [[], ["a.mp4", "b.mp4", "a.mp4"]])
def test_value_that_is_not_finite_is_an_error(tmp_path: Path, clips: list[str]) -> None:
    guard = FinitenessGuard(Accelerator(cpu=True), RunFolder(tmp_path), "avd.learning_rate")
    assert guard.check("loss", torch.tensor(1.0), clips, 7)
    with pytest.raises(TrainingError) as error:
        guard.check("loss", torch.tensor(torch.inf), clips, 7)
    names = ", on a.mp4, b.mp4" if clips else ""
    message = f"the loss of step 7 is inf{names}; lower avd.learning_rate and start again"
    assert str(error.value) == message
