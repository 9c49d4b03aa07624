"""The folder of a training run: its logs, checkpoints, panels and saved states."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.config import Config, dump_config
from cpabmm_core.errors import CheckpointError, MediaError, Remedy
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.output import write_atomically
from cpabmm_core.training.manifest import find_damage

MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run, and operations on its logs and saved states."""

    path: Path

    @property
    def log(self) -> Path:
        """The log, one JSON object per logged step."""
        return self.path / "log.jsonl"

    @property
    def validation(self) -> Path:
        """The validation log, one JSON object per validation."""
        return self.path / "validation.jsonl"

    @property
    def config(self) -> Path:
        """The configuration of the run."""
        return self.path / "config.yaml"

    @property
    def panels(self) -> Path:
        """The folder of the panels."""
        return self.path / "panels"

    @property
    def states(self) -> Path:
        """The folder of the saved states."""
        return self.path / "states"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation so far."""
        return self.path / "best.safetensors"

    @property
    def model(self) -> Path:
        """The checkpoint of the finished run."""
        return self.path / MODEL_FILE

    def claim(self, config: Config) -> None:
        """Create the folder and write the configuration.

        Raises:
            MediaError: the folder cannot be written.
            ResourceError: the disk is full.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.config.write_text(dump_config(config), encoding="utf-8")
        except OSError as error:
            raise write_error(self.path, error) from None

    def append(self, log: Path, values: Mapping[str, float]) -> None:
        """Append a line to one of the logs."""
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def saved_states(self) -> list[Path]:
        """Return the saved states, oldest first."""
        if not self.states.is_dir():
            return []
        return sorted(p for p in self.states.iterdir() if re.fullmatch(r"step-\d{8}", p.name))

    def state_after(self, step: int) -> Path:
        """Return the path of the state after `step` steps."""
        return self.states / f"step-{step:08d}"

    def rewind(self, step: int) -> None:
        """Remove everything that was written after `step` steps, which will be repeated.

        This removes later lines from the logs and deletes later states and the temporary files of
        killed processes. A later state that is damaged would otherwise count among those to keep.
        """
        for state in self.saved_states():
            if _step_of(state) > step:
                shutil.rmtree(state)
        for leftover in (*self.states.glob(".partial-*"), *self.path.glob(".*.tmp*")):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        for log in (self.log, self.validation):
            if not log.is_file():
                continue
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
            complete = [line for line in lines if line.endswith("\n")]
            kept = [line for line in complete if json.loads(line)["step"] <= step]
            write_atomically(log, "".join(kept).encode())

    def find_state(self, resume: str | None) -> tuple[Path | None, list[str]]:
        """Return the state to resume from, and a message about each damaged state.

        Args:
            resume: ``auto`` (the newest undamaged state, if any), the path of a state, or None.

        Raises:
            CheckpointError: the path is not a state, the state is damaged, or all states are.
            MediaError: the folder contains a run, and `resume` is None.
        """
        if resume is None:
            self._refuse_existing_run()
            return None, []
        if resume == "auto":
            state, damaged = self.newest_state()
            if state is None and damaged:
                raise CheckpointError(
                    f"{self.states}: every saved state is damaged ({damaged[0]}); delete them to "
                    "start again"
                )
            return state, [f"{each}; using the state before it" for each in damaged]
        path = Path(resume)
        if not (path / MODEL_FILE).is_file():
            raise CheckpointError(
                f"{path}: is not a saved state; give a folder RUN/states/step-... or auto"
            )
        damage = find_damage(path)
        if damage is not None:
            raise CheckpointError(f"{path}: damaged ({damage}); give another state or auto")
        return path, []

    def newest_state(self) -> tuple[Path | None, list[str]]:
        """Return the newest undamaged state, if any, and a line about each damaged newer one."""
        damaged: list[str] = []
        for state in reversed(self.saved_states()):
            damage = find_damage(state)
            if damage is None:
                return state, damaged
            damaged.append(f"{state}: damaged ({damage})")
        return None, damaged

    def _refuse_existing_run(self) -> None:
        if self.log.exists() or self.saved_states():
            raise MediaError(
                f"{self.path}: already contains a run",
                'pass resume="auto" or choose a new folder',
                remedy=Remedy.RESUME,
            )


def _step_of(state: Path) -> int:
    return int(state.name.removeprefix("step-"))
