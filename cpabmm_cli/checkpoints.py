"""Checkpoints as the person names them, and the folders where they are kept."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cpabmm_cli.console import terminal
from cpabmm_core.checkpoint.catalogue import public_file
from cpabmm_core.errors import CheckpointError

if TYPE_CHECKING:
    from cpabmm_core.models.animation_model import AnimationModel


def cache_folder() -> Path:
    """Where cpabmm keeps what it can make or download again: ``CPABMM_CACHE``, else the usual."""
    given = os.environ.get("CPABMM_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "cpabmm")


def checkpoints_folder() -> Path:
    """Where public checkpoints are looked for by name."""
    return cache_folder() / "checkpoints"


def located(checkpoint: str) -> str | Path:
    """The file of a public checkpoint, by the name that `cpabmm checkpoints` lists; others pass.

    Raises:
        CheckpointError: it is not on this machine.
    """
    public = public_file(checkpoint)
    if public is None:
        return checkpoint
    path = checkpoints_folder() / public.file
    if not path.is_file():
        raise CheckpointError(
            f"{checkpoint}: not on this machine; put {public.file} from {public.page} into "
            f"{path.parent}, or see `cpabmm checkpoints`"
        )
    return path


def ready(checkpoint: str) -> str | Path:
    """What to load for a name or path: the same, or what a published file was converted into.

    Raises:
        CheckpointError: a public checkpoint that is not on this machine, or a file that cannot be
            read.
    """
    path = located(checkpoint)
    if not Path(path).is_file():
        return path  # a bundled model, or a mistake that is told where it is loaded

    from cpabmm_core.checkpoint.cache import converted

    return converted(Path(path), cache_folder() / "converted", terminal.say)


def announce_model(checkpoint: str, model: "AnimationModel", precision: str) -> str:
    """Say which model runs, on which device and in which precision; the latter is returned."""
    from cpabmm_core.precision import choose_precision, precision_warning

    device = next(model.parameters()).device
    chosen = choose_precision(precision, device)
    terminal.say(f"{checkpoint} on {device} in {chosen}")
    warning = precision_warning(precision, device)
    if warning is not None:
        terminal.say(f"--precision {warning}")
    return chosen
