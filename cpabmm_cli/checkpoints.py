"""Checkpoints by the names that users give, and the folders where they are kept."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cpabmm_cli.console import terminal
from cpabmm_core.checkpoint.catalogue import find_public_checkpoint
from cpabmm_core.errors import CheckpointError

if TYPE_CHECKING:
    from cpabmm_core.models.animation_model import AnimationModel


def cache_folder() -> Path:
    """Return the folder for files that can be made or downloaded again.

    It is ``CPABMM_CACHE`` if that is set, else ``cpabmm`` in the user's cache folder.
    """
    given = os.environ.get("CPABMM_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "cpabmm")


def checkpoints_folder() -> Path:
    """Return the folder of the published checkpoints."""
    return cache_folder() / "checkpoints"


def locate_checkpoint(checkpoint: str) -> str | Path:
    """Return the file of a published checkpoint by its alias; return any other name unchanged.

    Raises:
        CheckpointError: the published checkpoint is not on this machine.
    """
    public = find_public_checkpoint(checkpoint)
    if public is None:
        return checkpoint
    path = checkpoints_folder() / public.name
    if not path.is_file():
        how = f"run `cpabmm checkpoints --download {checkpoint}`, or " if public.source else ""
        raise CheckpointError(
            f"{checkpoint}: not on this machine; {how}put {public.name} from {public.page} into "
            f"{path.parent}"
        )
    return path


def prepare_checkpoint(checkpoint: str) -> str | Path:
    """Return the name or path to load, after converting a published checkpoint.

    Conversions are kept in the cache folder.

    Raises:
        CheckpointError: the published checkpoint is not on this machine, or the file cannot be
            read.
    """
    path = locate_checkpoint(checkpoint)
    if not Path(path).is_file():
        return path  # a bundled model, or a wrong name that loading will report

    from cpabmm_core.checkpoint.cache import convert_cached

    return convert_cached(Path(path), cache_folder() / "converted", terminal.say)


def announce_model(checkpoint: str, model: "AnimationModel", precision: str) -> str:
    """Show which model runs, on which device and in which precision, and return the precision."""
    from cpabmm_core.precision import choose_precision, precision_warning

    device = next(model.parameters()).device
    chosen = choose_precision(precision, device)
    terminal.say(f"running {checkpoint} on {device} in {chosen}")
    warning = precision_warning(precision, device)
    if warning is not None:
        terminal.say(f"--precision {warning}")
    return chosen
