"""Models by name or path."""

import difflib
from importlib import resources
from pathlib import Path

from cpabmm_core.checkpoint.convert import open_checkpoint
from cpabmm_core.checkpoint.names import BUNDLED, DEFAULT_CHECKPOINT
from cpabmm_core.device import resolve_device
from cpabmm_core.errors import CheckpointError
from cpabmm_core.models.animation_model import AnimationModel


def load_model(
    name_or_path: str | Path = DEFAULT_CHECKPOINT, device: str = "auto"
) -> AnimationModel:
    """A trained model in eval mode.

    Args:
        name_or_path: name of a bundled model, or path of a checkpoint: ours, or one that
            `convert` reads.
        device: auto (CUDA, else MPS, else the CPU), cpu, cuda, cuda:N or mps.

    Raises:
        CheckpointError: no such model, or the file is not a checkpoint.
        ResourceError: there is no such device.
    """
    target = resolve_device(device)
    model = open_checkpoint(find_checkpoint(name_or_path)).model
    return model.to(target).eval()


def find_checkpoint(name_or_path: str | Path) -> Path:
    """The file of a bundled model, by name, or the given path if it exists.

    Raises:
        CheckpointError: neither a bundled model nor a file.
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
        f"{path}: no such model{hint} (bundled: {', '.join(BUNDLED)}; "
        "or give the path of a checkpoint, or a name of `cpabmm checkpoints`)"
    )


def _bundled_file(name: str) -> Path:
    path = Path(str(resources.files("cpabmm_core") / "weights" / BUNDLED[name]))
    if not path.is_file():
        raise CheckpointError(
            f"{name}: the bundled model is missing from this installation ({path}); "
            "install cpabmm again, or give the path of a checkpoint"
        )
    return path
