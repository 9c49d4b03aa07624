"""From a checkpoint that others have published to one of ours.

A layout is recognised by its tensors, and so are the widths of the networks. Nothing in a file is
executed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from cpabmm_core.checkpoint.catalogue import PublicFile, public_file_like
from cpabmm_core.checkpoint.damage import one_line, weights_kind
from cpabmm_core.checkpoint.differences import differences
from cpabmm_core.checkpoint.format import (
    Checkpoint,
    is_checkpoint,
    load_checkpoint,
    save_tensors,
)
from cpabmm_core.checkpoint.layouts import LAYOUTS, Layout, Tensors
from cpabmm_core.checkpoint.torch_file import TorchFile, read_torch_file
from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.models.build import build_model

CONVERTER = 3
"""Number of the conversion; another one where the same file gives another checkpoint."""
_USUAL_SIZE = 256
_NAMED_IN_ERRORS = 3


@dataclass(frozen=True)
class Conversion:
    """A checkpoint of ours to be, and what was said of where it comes from."""

    config: Config
    tensors: Tensors
    """By our names; where they are as in the file, they are read when they are used."""
    record: dict[str, Any]
    title: str
    """Of the layout, for sentences."""
    left_out: list[str]
    """What the file holds besides the networks."""
    size_is_known: bool
    """Whether the frame size was told, or is that of a known public file; else it is the usual."""

    def checkpoint(self) -> Checkpoint:
        """The model, on the CPU and in eval mode, with its configuration and record."""
        model = build_model(self.config)
        model.load_state_dict(self.tensors)
        return Checkpoint(model.eval(), self.config, self.record)

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all; one that is there is replaced.

        Raises:
            CheckpointError: it cannot be written.
            ResourceError: the disk is full.
        """
        save_tensors(path, self.tensors, self.config, record=self.record)

    def __str__(self) -> str:
        """In one line: what it is, and what was supposed."""
        size = f"{self.config.data.frame_size} x {self.config.data.frame_size}"
        if not self.size_is_known:
            size += " supposed, which the file does not tell (`cpabmm convert --size` sets it)"
        left_out = f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        motion = self.config.model.motion
        return f"checkpoint of {self.title}, motion {motion}, frames {size}{left_out}"


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of ours, or convert one of another layout in memory.

    Raises:
        CheckpointError: the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    if is_ours(path):
        return load_checkpoint(path)
    return convert(path).checkpoint()


def is_ours(path: Path) -> bool:
    """Whether a file is a checkpoint of ours already, of whatever version.

    Raises:
        CheckpointError: the file is missing, damaged, or no checkpoint at all.
    """
    return weights_kind(path) == "safetensors" and is_checkpoint(path)


def convert(path: Path, *, frame_size: int | None = None) -> Conversion:
    """Read a checkpoint of any known layout as one of ours, in float32.

    Args:
        path: a PyTorch or safetensors file of TPSMM, the paper's code, FOMM, MRAA or cpabmm.
        frame_size: side of the frames it was trained with, which the tensors do not tell; None
            takes that of the public file of this content or name, else 256.

    Raises:
        CheckpointError: the file is missing, damaged, of an unknown layout, or its networks are
            built in another way than those of its layout.
    """
    if is_ours(path):
        return _renew(path, frame_size)
    file = _read(path)
    layout = _recognise(path, file.tensors)
    origin = _origin(path)
    public = public_file_like(path.name, origin["sha256"], layout.kind)
    size = frame_size or (public.frame_size if public else _USUAL_SIZE)
    config = _config(path, layout, file.tensors, size, public)
    return Conversion(
        config,
        _by_our_names(path, layout, file.tensors, config),
        {"converted_from": {"kind": layout.kind, **origin}},
        layout.title,
        _left_out(layout, file),
        size_is_known=bool(frame_size or public),
    )


def _renew(path: Path, frame_size: int | None) -> Conversion:
    """One of ours, of this or an older version."""
    model, config, record = load_checkpoint(path)
    if frame_size not in (None, config.data.frame_size):
        raise CheckpointError(
            f"{path}: was trained with frames of {config.data.frame_size} pixels, as it says "
            "itself; leave the size out"
        )
    return Conversion(config, model.state_dict(), record, "cpabmm", [], size_is_known=True)


def _read(path: Path) -> TorchFile:
    if weights_kind(path) == "pytorch":
        return read_torch_file(path)
    try:
        return TorchFile(safetensors.torch.load_file(path), [])
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{path}: truncated or damaged ({one_line(error)}); copy it again"
        ) from None


def _recognise(path: Path, tensors: Tensors) -> Layout:
    for layout in LAYOUTS:
        if layout.fits(tensors):
            return layout
    nearest = max(LAYOUTS, key=lambda layout: _shared(layout, tensors))
    found = ", ".join(sorted(tensors)[:_NAMED_IN_ERRORS])
    if not _shared(nearest, tensors):
        titles = ", ".join(dict.fromkeys(layout.title for layout in LAYOUTS))
        raise CheckpointError(
            f"{path}: of no known layout (it has {found}, ...); cpabmm reads those of {titles}"
        )
    lacking = ", ".join(name for name in nearest.telltale if name not in tensors)
    raise CheckpointError(
        f"{path}: resembles a checkpoint of {nearest.title}, but has no {lacking} (it has {found}, "
        "...); it is of another model, or only a part of one: give the whole file as published"
    )


def _shared(layout: Layout, tensors: Tensors) -> int:
    """How many of the tensors lie in a network of a layout, weighed by those that tell it."""
    telling = sum(name in tensors for name in layout.telltale)
    return len(tensors) * telling + len(layout.weights(tensors))


def _origin(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _config(
    path: Path, layout: Layout, tensors: Tensors, size: int, public: PublicFile | None
) -> Config:
    try:
        model = layout.model(tensors)
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"{path}: laid out as {layout.title}'s, but has no usable {error.args[0]}; it is only "
            "a part of a model, or of another one: give the whole file as published"
        ) from None
    if public:
        model = {**model, "affine": {**model.get("affine", {}), **public.settings}}
    return config_from_dict({"data": {"frame_size": size}, "model": model}, str(path))


def _by_our_names(path: Path, layout: Layout, tensors: Tensors, config: Config) -> Tensors:
    """The tensors of the model, all of them and nothing else, in float32."""
    try:
        with torch.device("meta"):  # for names and shapes alone
            expected = build_model(config).state_dict()
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from None
    theirs = {layout.rename(name): name for name in layout.weights(tensors)}
    ours = layout.adapt({name: tensors[their_name] for name, their_name in theirs.items()})
    problems = differences(
        {theirs.get(name, name): tuple(tensor.shape) for name, tensor in ours.items()},
        {theirs.get(name, name): tuple(tensor.shape) for name, tensor in expected.items()},
    )
    if problems:
        raise CheckpointError(
            f"{path}: laid out as {layout.title}'s, but its networks are built differently: "
            f"{problems}; it is of a fork, or of a variant that cpabmm does not know"
        )
    for name, tensor in ours.items():
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: {theirs.get(name, name)} is not finite; the file is damaged: "
                "download it again"
            )
    return {name: ours[name].detach().to(tensor.dtype) for name, tensor in expected.items()}


def _left_out(layout: Layout, file: TorchFile) -> list[str]:
    used = layout.weights(file.tensors).keys() | set(layout.fixed)
    unused = dict.fromkeys(name.split(".")[0] for name in file.tensors if name not in used)
    return [*unused, *file.others]
