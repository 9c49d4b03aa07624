"""Saved states of a run: a folder per state, written whole or not at all."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.config import Config
from cpabmm_core.errors import CheckpointError
from cpabmm_core.models.animation_model import AnimationModel

MODEL_FILE = "model.safetensors"
_OPTIMIZER_FILE = "optimizer.pt"
_KEPT = 2


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its things."""

    path: Path

    @property
    def log(self) -> Path:
        """One JSON object a logged step."""
        return self.path / "log.jsonl"

    @property
    def config(self) -> Path:
        """The configuration as used."""
        return self.path / "config.yaml"

    @property
    def panels(self) -> Path:
        """Pictures of results."""
        return self.path / "panels"

    @property
    def states(self) -> Path:
        """Saved states, newest last by name."""
        return self.path / "states"

    def saved_states(self) -> list[Path]:
        """Complete saved states, oldest first."""
        if not self.states.is_dir():
            return []
        return sorted(p for p in self.states.iterdir() if re.fullmatch(r"step-\d{8}", p.name))

    def forget_after(self, step: int) -> None:
        """Take later steps out of the log: they will be made again."""
        if not self.log.is_file():
            return
        lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        partial = self.log.with_name(f".{self.log.name}.tmp")
        partial.write_text("".join(kept), encoding="utf-8")
        partial.replace(self.log)

    def resume_from(self, resume: str | None) -> Path | None:
        """The state to go on from: ``auto`` the newest one if any, a path that one, None none.

        Raises:
            CheckpointError: no state at that path.
        """
        if resume is None:
            return None
        if resume == "auto":
            return next(reversed(self.saved_states()), None)
        path = Path(resume)
        if not (path / MODEL_FILE).is_file():
            raise CheckpointError(
                f"{path}: no saved state; give a folder RUN/states/step-... or auto"
            )
        return path


def save_state(
    run: RunFolder,
    step: int,
    model: AnimationModel,
    optimizer: torch.optim.Optimizer,
    config: Config,
    record: dict[str, Any],
) -> Path:
    """Save model and optimizer after `step` steps; the last two states are kept.

    What else a run needs follows from the step: draws and schedules are functions of it.
    """
    final = run.states / f"step-{step:08d}"
    partial = run.states / f".partial-{final.name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_checkpoint(partial / MODEL_FILE, model, config, record={**record, "step": step})
    torch.save({"step": step, "optimizer": optimizer.state_dict()}, partial / _OPTIMIZER_FILE)
    with (partial / _OPTIMIZER_FILE).open("rb") as file:
        os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    for old in run.saved_states()[:-_KEPT]:
        shutil.rmtree(old)
    return final


def load_state(path: Path, model: AnimationModel, optimizer: torch.optim.Optimizer) -> int:
    """Put a saved state into model and optimizer and return its step.

    Raises:
        CheckpointError: the state is damaged or of another model.
    """
    saved = load_checkpoint(path / MODEL_FILE).model.state_dict()
    try:
        model.load_state_dict(saved)
        state = torch.load(path / _OPTIMIZER_FILE, map_location="cpu", weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: cannot go on from it ({reason}); was the model's configuration changed?"
        ) from None
