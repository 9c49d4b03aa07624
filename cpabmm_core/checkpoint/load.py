"""Loading a trained model by name or path."""

import difflib
from importlib import resources
from pathlib import Path

from cpabmm_core.checkpoint.convert import open_checkpoint
from cpabmm_core.checkpoint.names import BUNDLED, DEFAULT_CHECKPOINT
from cpabmm_core.device import resolve_device
from cpabmm_core.errors import CheckpointError, Remedy
from cpabmm_core.models.animation_model import AnimationModel


def load_model(
    name_or_path: str | Path = DEFAULT_CHECKPOINT, device: str = "auto"
) -> AnimationModel:
    """Load a trained model in eval mode.

    Args:
        name_or_path: name of a bundled model, or path of a checkpoint: one of cpabmm, or a
            published one of TPSMM, FOMM or MRAA.
        device: ``auto`` (CUDA, else MPS, else the CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Returns:
        The model, in float32 on the device.

    Raises:
        CheckpointError: the name is unknown, or the file is missing or not a checkpoint.
        ResourceError: the device is unavailable.

    Example:
        >>> model = load_model("puppets", device="cpu")
        >>> model.training
        False
    """
    target = resolve_device(device)
    model = open_checkpoint(find_checkpoint(name_or_path)).model
    return model.to(target).eval()


def find_checkpoint(name_or_path: str | Path) -> Path:
    """Return the file of a bundled model, or the given path if it exists.

    Args:
        name_or_path: name of a bundled model (only as a string), or path of a checkpoint.

    Raises:
        CheckpointError: the name is unknown, or the file is missing.

    Example:
        >>> find_checkpoint("puppets").name
        'puppets.safetensors'
    """
    if isinstance(name_or_path, str) and name_or_path in BUNDLED:
        return _bundled_file(name_or_path)
    path = Path(name_or_path)
    if path.exists():
        return path
    if isinstance(name_or_path, Path) or path.name != name_or_path or path.suffix:
        raise CheckpointError(f"{path}: no such file; check the path")
    close = difflib.get_close_matches(path.name, BUNDLED, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise CheckpointError(
        f"{path}: no such model{hint} (bundled: {', '.join(BUNDLED)})",
        "give one of these or the path of a checkpoint",
        remedy=Remedy.LIST_CHECKPOINTS,
    )


def _bundled_file(name: str) -> Path:
    path = Path(str(resources.files("cpabmm_core") / "weights" / BUNDLED[name]))
    if not path.is_file():
        raise CheckpointError(
            f"{name}: the bundled model is missing from this installation ({path}); "
            "install cpabmm again, or give the path of a checkpoint"
        )
    return path
