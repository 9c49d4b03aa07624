"""Saved states of a run: one folder per state, written atomically."""

import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError, CpabmmError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.output import write_atomically
from cpabmm_core.files.printable import first_names
from cpabmm_core.files.tensors import read_tensor_file
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.training.manifest import TRAINER_FILE, write_manifest
from cpabmm_core.training.run_folder import MODEL_FILE, RunFolder

_EMA_FILE = "ema.safetensors"
_EXPECTED = "the state of a training run"
_NAMED = 4
_OPTIONAL = {"clipped", "adversary"}


@dataclass(frozen=True)
class TrainerState:
    """Everything except the weights that a run needs to continue as if it had never stopped.

    Samples and schedules are functions of the step. Random numbers within networks (the dropout of
    some backbones) come from torch's generators, whose states are saved for each process.
    """

    step: int
    """Number of completed steps."""
    optimizer: dict[str, Any]
    """State of the optimizer."""
    scaler: dict[str, Any] | None
    """State of the loss scaler in fp16."""
    random: list[dict[str, torch.Tensor]]
    """States of torch's generators, ``cpu`` and ``cuda``, for each process."""
    best: float | None
    """Lowest validation L1 so far."""
    clipped: list[bool] = field(default_factory=list)
    """Whether a gradient was clipped, for each step since the last line of the log."""
    adversary: dict[str, Any] | None = None
    """State of the discriminator and its optimizer. Runs without one omit the entry."""


@dataclass(frozen=True)
class StateModels:
    """The models of a saved state, with their configuration and record."""

    model: AnimationModel
    ema: AnimationModel | None
    """The averaged model, if averaging is enabled."""
    config: Config
    record: dict[str, Any]
    """Facts about the run that are stored in its checkpoints."""


def save_state(folder: RunFolder, state: TrainerState, models: StateModels, keep: int) -> Path:
    """Write a state and delete all but the last `keep`.

    The files are written to a temporary folder, the manifest last. The folder is renamed once they
    and the logs have been flushed to the disk.

    Raises:
        CheckpointError: the state cannot be written.
        ResourceError: the disk is full.
    """
    final = folder.state_after(state.step)
    partial = folder.states / f".partial-{final.name}"
    record = {**models.record, "step": state.step}
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        save_checkpoint(partial / MODEL_FILE, models.model, models.config, record=record)
        if models.ema is not None:
            save_checkpoint(partial / _EMA_FILE, models.ema, models.config, record=record)
        write_atomically(partial / TRAINER_FILE, _serialise(state), kind=CheckpointError)
        write_manifest(partial)
        _sync([partial, *(log for log in (folder.log, folder.validation) if log.exists())])
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _sync([folder.states])
    for old in folder.saved_states()[:-keep]:
        shutil.rmtree(old)
    return final


def load_state(path: Path, model: AnimationModel, ema: AnimationModel | None) -> TrainerState:
    """Load the weights of a saved state into the models and return the rest.

    Raises:
        CheckpointError: the state belongs to another model, or cannot be read.
    """
    with resuming(path):
        _load_weights(path / MODEL_FILE, model)
        if ema is not None:
            # If the run began without averaging, the average starts from its current weights.
            _load_weights(path / (_EMA_FILE if (path / _EMA_FILE).is_file() else MODEL_FILE), ema)
        return _read_trainer(path / TRAINER_FILE)


@contextmanager
def resuming(path: Path) -> Iterator[None]:
    """Turn what torch raises for parts of a saved state that do not fit into one error.

    Args:
        path: the state.

    Raises:
        CheckpointError: the state does not fit. Errors that say more stay as they are.
    """
    try:
        yield
    except CpabmmError:
        raise
    except Exception as error:
        reason = one_line(error)[:200]
        raise CheckpointError(
            f"{path}: cannot resume from this state ({reason}); was the model's configuration "
            "changed?"
        ) from None


def _read_trainer(path: Path) -> TrainerState:
    # The run deletes old states, so no tensor may stay in the file.
    values = read_tensor_file(path, _EXPECTED, mapped=False)
    known = {each.name for each in fields(TrainerState)}
    if not known - _OPTIONAL <= values.keys() <= known or not isinstance(values["step"], int):
        held = first_names((name for name in values if isinstance(name, str)), _NAMED)
        raise CheckpointError(
            f"{path}: is not {_EXPECTED} (it holds {held or 'no names'}); give another state"
        )
    return TrainerState(**values)


def _serialise(state: TrainerState) -> bytes:
    content = io.BytesIO()
    kept = {k: v for k, v in vars(state).items() if k != "adversary" or v is not None}
    torch.save(kept, content)
    return content.getvalue()


def _load_weights(path: Path, model: nn.Module) -> None:
    model.load_state_dict(load_checkpoint(path).model.state_dict())


def _sync(paths: Iterable[Path]) -> None:
    """Flush files and folders to the disk. Windows cannot flush folders."""
    for path in paths:
        if path.is_dir() and os.name == "nt":
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
