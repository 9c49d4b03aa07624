"""Saved states of a run: a folder per state, there whole or not at all, and checked when read."""

import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.config import Config, dump_config
from cpabmm_core.errors import CheckpointError, MediaError, Remedy
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.files.output import write_atomically
from cpabmm_core.models.animation_model import AnimationModel

MODEL_FILE = "model.safetensors"
_EMA_FILE = "ema.safetensors"
_TRAINER_FILE = "trainer.pt"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its things."""

    path: Path

    @property
    def log(self) -> Path:
        """One JSON object a logged step."""
        return self.path / "log.jsonl"

    @property
    def validation(self) -> Path:
        """One JSON object a validation."""
        return self.path / "validation.jsonl"

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

    @property
    def best(self) -> Path:
        """The model of the best validation so far."""
        return self.path / "best.safetensors"

    def claim(self, config: Config) -> None:
        """Make the folder this run's, with its configuration.

        Raises:
            MediaError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.config.write_text(dump_config(config), encoding="utf-8")
        except OSError as error:
            raise MediaError(f"{self.path}: cannot write there ({error.strerror})") from None

    def append(self, log: Path, values: Mapping[str, float]) -> None:
        """Add a line to one of the logs."""
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def saved_states(self) -> list[Path]:
        """Saved states, oldest first."""
        if not self.states.is_dir():
            return []
        return sorted(p for p in self.states.iterdir() if re.fullmatch(r"step-\d{8}", p.name))

    def forget_after(self, step: int) -> None:
        """Go back to where the run was after `step` steps; later ones will be made again.

        They are taken out of the logs, their states are deleted (a damaged one must not count as
        one to keep), and so is what a killed process had begun to write.
        """
        for state in self.saved_states():
            if _step_of(state) > step:
                shutil.rmtree(state)
        for begun in (*self.states.glob(".partial-*"), *self.path.glob(".*.tmp")):
            shutil.rmtree(begun) if begun.is_dir() else begun.unlink()
        for log in (self.log, self.validation):
            if not log.is_file():
                continue
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if _is_whole(line) and json.loads(line)["step"] <= step]
            partial = log.with_name(f".{log.name}.tmp")
            partial.write_text("".join(kept), encoding="utf-8")
            partial.replace(log)

    def resume_from(self, resume: str | None) -> tuple[Path | None, list[str]]:
        """The state to go on from, and what to tell about those that were passed over.

        Args:
            resume: ``auto`` the newest whole state if there is one, a path that one, None none.

        Raises:
            CheckpointError: no state at that path, or a damaged one, or none but damaged ones.
            MediaError: there is a run already, and `resume` is None.
        """
        if resume is None:
            self._refuse_another()
            return None, []
        if resume == "auto":
            state, notes = self.newest_state()
            if state is None and notes:
                raise CheckpointError(
                    f"{self.states}: every saved state is damaged ({notes[0]}); delete them to "
                    "start again"
                )
            return state, notes
        path = Path(resume)
        if not (path / MODEL_FILE).is_file():
            raise CheckpointError(
                f"{path}: no saved state; give a folder RUN/states/step-... or auto"
            )
        trouble = damage(path)
        if trouble is not None:
            raise CheckpointError(f"{path}: damaged ({trouble}); give another state or auto")
        return path, []

    def newest_state(self) -> tuple[Path | None, list[str]]:
        """The newest state that is whole, and what to tell about those that were passed over."""
        notes: list[str] = []
        for state in reversed(self.saved_states()):
            trouble = damage(state)
            if trouble is None:
                return state, notes
            notes.append(f"{state}: damaged ({trouble}); passed over for the state before it")
        return None, notes

    def _refuse_another(self) -> None:
        if self.log.exists() or self.saved_states():
            raise MediaError(
                f"{self.path}: already holds a run",
                'pass resume="auto" or choose a new folder',
                remedy=Remedy.RESUME,
            )


@dataclass(frozen=True)
class TrainerState:
    """What a run needs besides the weights to go on as if it had not stopped.

    Draws and schedules are functions of the step. What a network itself draws while it runs (the
    dropout of some backbones) comes from the generators of torch, kept for each process.
    """

    step: int
    optimizer: dict[str, Any]
    scaler: dict[str, Any] | None
    """Of the loss, in fp16."""
    random: list[dict[str, torch.Tensor]]
    """A process each: states of torch's generators, ``cpu`` and ``cuda``."""
    best: float | None
    """Lowest validation L1 so far."""
    clipped: list[bool] = field(default_factory=list)
    """Of each step since the last line of the log, whether a gradient was clipped."""
    adversary: dict[str, Any] | None = None
    """Discriminator and its optimizer; None for a run without, whose file does not name it."""


def save_state(
    run: RunFolder,
    state: TrainerState,
    model: AnimationModel,
    ema: AnimationModel | None,
    config: Config,
    record: dict[str, Any],
    keep: int,
) -> Path:
    """Write a state after `state.step` steps and delete all but the last `keep`.

    The files go to a temporary folder that is renamed when all of it is on the disk, the logs too;
    the manifest with their sizes and hashes is written last.

    Raises:
        CheckpointError: it cannot be written.
        ResourceError: the disk is full.
    """
    final = run.states / f"step-{state.step:08d}"
    partial = run.states / f".partial-{final.name}"
    record = {**record, "step": state.step}
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        save_checkpoint(partial / MODEL_FILE, model, config, record=record)
        if ema is not None:
            save_checkpoint(partial / _EMA_FILE, ema, config, record=record)
        write_atomically(partial / _TRAINER_FILE, _pickled(state), kind=CheckpointError)
        files = sorted(partial.iterdir())
        manifest = {file.name: [file.stat().st_size, file_sha256(file)] for file in files}
        write_atomically(partial / _MANIFEST, json.dumps(manifest).encode(), kind=CheckpointError)
        _to_disk([partial, *(log for log in (run.log, run.validation) if log.exists())])
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _to_disk([run.states])
    for old in run.saved_states()[:-keep]:
        shutil.rmtree(old)
    return final


def load_state(path: Path, model: AnimationModel, ema: AnimationModel | None) -> TrainerState:
    """Put the weights of a saved state into the models and return the rest.

    Raises:
        CheckpointError: the state is of another model, or cannot be read.
    """
    try:
        _load_weights(path / MODEL_FILE, model)
        if ema is not None:
            # A run that began without averaging starts to average from where it is.
            _load_weights(path / (_EMA_FILE if (path / _EMA_FILE).is_file() else MODEL_FILE), ema)
        return TrainerState(
            **torch.load(path / _TRAINER_FILE, map_location="cpu", weights_only=True)
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: cannot go on from it ({reason}); was the model's configuration changed?"
        ) from None


def damage(path: Path) -> str | None:
    """What is wrong with a saved state's files, None if nothing is."""
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        if not {MODEL_FILE, _TRAINER_FILE} <= manifest.keys():
            return f"{_MANIFEST} is not whole"
        for name, (size, digest) in manifest.items():
            file = path / name
            if not file.is_file():
                return f"{name} is missing"
            if file.stat().st_size != size:
                return f"{name} has {file.stat().st_size} of {size} bytes"
            if file_sha256(file) != digest:
                return f"{name} is not what was written"
    except (OSError, ValueError, AttributeError, TypeError) as error:
        return f"{_MANIFEST}: {error}"
    return None


def _pickled(state: TrainerState) -> bytes:
    content = io.BytesIO()
    kept = {k: v for k, v in vars(state).items() if k != "adversary" or v is not None}
    torch.save(kept, content)
    return content.getvalue()


def _load_weights(path: Path, model: nn.Module) -> None:
    model.load_state_dict(load_checkpoint(path).model.state_dict())


def _step_of(state: Path) -> int:
    return int(state.name.removeprefix("step-"))


def _is_whole(line: str) -> bool:
    return line.endswith("\n")


def _to_disk(paths: Iterable[Path]) -> None:
    """Wait until files and folders are on the disk; Windows cannot wait for folders."""
    for path in paths:
        if path.is_dir() and os.name == "nt":
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
