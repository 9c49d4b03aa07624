"""Saves of a training state, each killed at a different system call."""

import os
import shutil
import signal
from pathlib import Path

import torch
from _helpers.tiny_model import tiny_config, tiny_model
from _helpers.training_runs import die_at

from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.state import StateModels, TrainerState, save_state

CALLS = ("mkdir", "fsync", "replace", "rename", "unlink", "rmdir")
"""The system calls through which a save changes the disk."""


def save(folder: Path, step: int, *, keep: int = 1, model: AnimationModel | None = None) -> Path:
    """Save the training state of a tiny model."""
    config, model = tiny_config(), model or tiny_model()
    optimizer = torch.optim.Adam(model.parameters()).state_dict()
    state = TrainerState(step, optimizer, None, [{"cpu": torch.get_rng_state()}], None)
    return save_state(RunFolder(folder), state, StateModels(model, model, config, {}), keep)


def save_killed_everywhere(folder: Path) -> None:
    """Save step 2 in ``folder/before``, then step 4 in ``CALL-N``, killed at that call."""
    model = tiny_model()
    setattr(os, "fsync", lambda _: None)  # noqa: B010 (a kill leaves the page cache intact)
    save(folder / "before", 2, model=model)
    (folder / "before" / "log.jsonl").touch()
    for call in CALLS:
        number, killed = 0, True
        while killed:
            number += 1
            killed = _save_killed_at(folder / f"{call}-{number}", call, number, model)


def _save_killed_at(folder: Path, call: str, number: int, model: AnimationModel) -> bool:
    """Return whether the save made the call, and so was killed."""
    shutil.copytree(folder.with_name("before"), folder)
    child = os.fork()
    if child == 0:
        die_at(call, number)
        save(folder, 4, model=model)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFSIGNALED(status)
