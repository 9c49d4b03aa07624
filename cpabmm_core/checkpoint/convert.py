"""Conversion of published checkpoints to the format of cpabmm.

The layout of a file and the widths of its networks are recognised from its tensors. Nothing in a
file is executed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cpabmm_core.checkpoint.catalogue import PublicCheckpoint, recognise_public_checkpoint
from cpabmm_core.checkpoint.differences import describe_differences
from cpabmm_core.checkpoint.flatten import CheckpointFile, read_checkpoint_file
from cpabmm_core.checkpoint.format import (
    Checkpoint,
    has_cpabmm_metadata,
    load_checkpoint,
    save_tensors,
)
from cpabmm_core.checkpoint.layouts import LAYOUTS, Layout, Tensors
from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.files.tensors import tensor_format
from cpabmm_core.models.build import build_model

CONVERTER = 3
"""Version of the conversion. Increase it when the same file would give another checkpoint; cached
conversions then become invalid."""
_DEFAULT_SIZE = 256
_NAMED_IN_ERRORS = 3


@dataclass(frozen=True)
class Conversion:
    """A converted checkpoint that is not yet written, with a record of its origin.

    Example:
        >>> from cpabmm_core.checkpoint import convert_checkpoint, find_checkpoint
        >>> conversion = convert_checkpoint(find_checkpoint("puppets"))
        >>> conversion.title, conversion.size_is_known, conversion.left_out
        ('cpabmm', True, [])
    """

    config: Config
    """Configuration of the model."""
    tensors: Tensors
    """Tensors by their names in the model. Unchanged ones are mapped from the original file and
    read when they are used."""
    record: dict[str, Any]
    """Origin of the checkpoint: layout, file name, size and SHA-256."""
    title: str
    """Name of the layout as it appears in messages."""
    left_out: list[str]
    """Contents of the file that are not part of the model."""
    size_is_known: bool
    """Whether the frame size was given or comes from a known file; otherwise it is a default."""

    def checkpoint(self) -> Checkpoint:
        """Build the model, on the CPU and in eval mode, with its configuration and record."""
        model = build_model(self.config)
        model.load_state_dict(self.tensors)
        return Checkpoint(model.eval(), self.config, self.record)

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically; an existing file is replaced.

        Raises:
            CheckpointError: the file cannot be written.
            ResourceError: the disk is full.
        """
        save_tensors(path, self.tensors, self.config, record=self.record)

    def __str__(self) -> str:
        size = f"{self.config.data.frame_size} x {self.config.data.frame_size}"
        if not self.size_is_known:
            size += " (assumed, because the file does not state its frame size)"
        left_out = f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        motion = self.config.model.motion
        return f"checkpoint of {self.title}, motion {motion}, frames {size}{left_out}"


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Read a cpabmm checkpoint, or convert one of another layout in memory.

    Args:
        path: a safetensors or PyTorch file of cpabmm, TPSMM, the paper's code, FOMM or MRAA.

    Returns:
        The model, on the CPU in eval mode, with its configuration and record.

    Raises:
        CheckpointError: the file is missing, damaged or of an unknown layout.

    Example:
        >>> from cpabmm_core.checkpoint import find_checkpoint
        >>> checkpoint = open_checkpoint(find_checkpoint("puppets"))
        >>> checkpoint.kind, checkpoint.config.data.frame_size
        ('cpabmm', 96)
    """
    path = Path(path)
    if is_cpabmm_checkpoint(path):
        return load_checkpoint(path)
    return convert_checkpoint(path).checkpoint()


def is_cpabmm_checkpoint(path: Path) -> bool:
    """Return whether a file is a cpabmm checkpoint of any format version.

    Raises:
        CheckpointError: the file is missing, damaged, or neither safetensors nor PyTorch.
    """
    expected = "a checkpoint, of cpabmm or published"
    return tensor_format(path, expected) == "safetensors" and has_cpabmm_metadata(path)


def convert_checkpoint(path: Path, *, frame_size: int | None = None) -> Conversion:
    """Convert a checkpoint of any known layout to the format of cpabmm, in float32.

    Args:
        path: a PyTorch or safetensors file of TPSMM, the paper's code, FOMM, MRAA or cpabmm.
        frame_size: side in pixels of the frames that the model was trained on, which the tensors do
            not reveal. None takes it from the published file of equal content or name, else 256.

    Returns:
        The conversion, ready to save.

    Raises:
        CheckpointError: the file is missing, damaged or of an unknown layout, or its networks
            differ from those of its layout.

    Example:
        >>> from cpabmm_core.checkpoint import find_checkpoint
        >>> print(convert_checkpoint(find_checkpoint("puppets")))
        checkpoint of cpabmm, motion cpab, frames 96 x 96
    """
    if is_cpabmm_checkpoint(path):
        return _upgrade(path, frame_size)
    file = read_checkpoint_file(path)
    layout = _recognise(path, file.tensors)
    origin = _origin(path)
    public = recognise_public_checkpoint(path.name, origin["sha256"], layout.kind)
    size = frame_size or (public.frame_size if public else _DEFAULT_SIZE)
    config = _config(path, layout, file.tensors, size, public)
    return Conversion(
        config,
        _rename(path, layout, file.tensors, config),
        {"converted_from": {"kind": layout.kind, **origin}},
        layout.title,
        _left_out(layout, file),
        size_is_known=bool(frame_size or public),
    )


def _upgrade(path: Path, frame_size: int | None) -> Conversion:
    """Convert a cpabmm checkpoint of this or an older version."""
    model, config, record = load_checkpoint(path)
    if frame_size not in (None, config.data.frame_size):
        raise CheckpointError(
            f"{path}: states a frame size of {config.data.frame_size} pixels itself; omit the size"
        )
    return Conversion(config, model.state_dict(), record, "cpabmm", [], size_is_known=True)


def _recognise(path: Path, tensors: Tensors) -> Layout:
    for layout in LAYOUTS:
        if layout.matches(tensors):
            return layout
    nearest = max(LAYOUTS, key=lambda layout: _similarity(layout, tensors))
    found = ", ".join(sorted(tensors)[:_NAMED_IN_ERRORS])
    if not _similarity(nearest, tensors):
        titles = ", ".join(dict.fromkeys(layout.title for layout in LAYOUTS))
        raise CheckpointError(
            f"{path}: has an unknown layout (it holds {found}, ...); cpabmm reads those of {titles}"
        )
    lacking = ", ".join(name for name in nearest.signature if name not in tensors)
    raise CheckpointError(
        f"{path}: resembles a checkpoint of {nearest.title}, but has no {lacking} (it holds "
        f"{found}, ...), so it is a part of one or of another model; give the complete file as "
        "published"
    )


def _similarity(layout: Layout, tensors: Tensors) -> int:
    """Count the tensors in networks of a layout; the signature ones outweigh all others."""
    identifying = sum(name in tensors for name in layout.signature)
    return len(tensors) * identifying + len(layout.weights(tensors))


def _origin(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _config(
    path: Path, layout: Layout, tensors: Tensors, size: int, public: PublicCheckpoint | None
) -> Config:
    try:
        model = layout.model(tensors)
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"{path}: has the layout of {layout.title}, but no usable {error.args[0]}, so it is a "
            "part of a model or of another model; give the complete file as published"
        ) from None
    if public:
        model = {**model, "affine": {**model.get("affine", {}), **public.settings}}
    return config_from_dict({"data": {"frame_size": size}, "model": model}, str(path))


def _rename(path: Path, layout: Layout, tensors: Tensors, config: Config) -> Tensors:
    """Return all tensors of the model by their names in it, in float32."""
    try:
        with torch.device("meta"):  # only names and shapes are needed
            expected = build_model(config).state_dict()
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from None
    original = {layout.rename(name): name for name in layout.weights(tensors)}
    renamed = layout.adapt({name: tensors[theirs] for name, theirs in original.items()})
    problems = describe_differences(
        {original.get(name, name): tuple(tensor.shape) for name, tensor in renamed.items()},
        {original.get(name, name): tuple(tensor.shape) for name, tensor in expected.items()},
    )
    if problems:
        raise CheckpointError(
            f"{path}: has the layout of {layout.title}, but its networks differ: {problems}; "
            "forks and other variants cannot be converted"
        )
    for name, tensor in renamed.items():
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: {original.get(name, name)} is not finite, so the file is damaged; "
                "download it again"
            )
    return {name: renamed[name].detach().to(tensor.dtype) for name, tensor in expected.items()}


def _left_out(layout: Layout, file: CheckpointFile) -> list[str]:
    used = layout.weights(file.tensors).keys() | set(layout.fixed)
    unused = dict.fromkeys(name.split(".")[0] for name in file.tensors if name not in used)
    return [*unused, *file.others]
