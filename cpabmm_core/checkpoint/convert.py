"""Conversion of published checkpoints to the format of cpabmm.

The layout of a file and the widths of its networks are recognised from its tensors. Nothing in a
file is executed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpabmm_core.checkpoint.catalogue import PublicCheckpoint, recognise_public_checkpoint
from cpabmm_core.checkpoint.filling import filled_model
from cpabmm_core.checkpoint.flatten import CheckpointFile, read_checkpoint_file
from cpabmm_core.checkpoint.format import Checkpoint, load_checkpoint, save_tensors
from cpabmm_core.checkpoint.header import has_cpabmm_metadata
from cpabmm_core.checkpoint.layouts import Layout, Tensors, is_own, own_layout
from cpabmm_core.checkpoint.recognise import recognise_layout, unwrap_networks
from cpabmm_core.checkpoint.renaming import check_shapes, rename_tensors
from cpabmm_core.config import Config, config_from_dict
from cpabmm_core.errors import CheckpointError, ConfigError, Remedy
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.files.printable import first_names, printable
from cpabmm_core.files.tensors import tensor_format

CONVERTER = 3
"""Version of the conversion. Increase it when the same file would give another checkpoint; cached
conversions then become invalid."""
_DEFAULT_SIZE = 256
_NAMED = 20
_SHOWN = 200


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
        return Checkpoint(filled_model(self.config, self.tensors), self.config, self.record)

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
        left_out = f"; left out: {first_names(self.left_out, _NAMED)}" if self.left_out else ""
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
        ('cpabmm', 128)
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


def convert_checkpoint(
    path: Path, *, frame_size: int | None = None, config: Config | None = None
) -> Conversion:
    """Convert a checkpoint of any known layout to the format of cpabmm, in float32.

    Args:
        path: a PyTorch or safetensors file of TPSMM, the paper's code, FOMM, MRAA or cpabmm.
        frame_size: side in pixels of the frames that the model was trained on, which the tensors do
            not reveal. None takes it from `config`, else from the published file of equal content
            or name, else 256.
        config: configuration of a cpabmm model whose file has lost it.

    Returns:
        The conversion, ready to save.

    Raises:
        CheckpointError: the file is missing, damaged or of an unknown layout, its networks differ
            from those of its layout or configuration, or it needs no configuration.

    Example:
        >>> from cpabmm_core.checkpoint import find_checkpoint
        >>> print(convert_checkpoint(find_checkpoint("puppets")))
        checkpoint of cpabmm, motion cpab, frames 128 x 128
    """
    if is_cpabmm_checkpoint(path):
        return _upgrade(path, frame_size, config)
    file = read_checkpoint_file(path)
    origin = _origin(path)
    with _odd_tensors_refused(path):
        file = unwrap_networks(file)
        layout, settings, public = _find_settings(path, file.tensors, origin, frame_size, config)
        tensors = rename_tensors(path, layout, file.tensors, settings)
    return Conversion(
        settings,
        tensors,
        {"converted_from": {"kind": layout.kind, **origin}},
        layout.title,
        _left_out(layout, file),
        size_is_known=bool(frame_size or public or config),
    )


@contextmanager
def _odd_tensors_refused(path: Path) -> Iterator[None]:
    """Turn what tensors of impossible shapes raise into the error of their file."""
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: has tensors that no known layout has ({one_line(error)}); give the complete "
            "file as published"
        ) from None


def _find_settings(
    path: Path,
    tensors: Tensors,
    origin: dict[str, Any],
    frame_size: int | None,
    given: Config | None,
) -> tuple[Layout, Config, PublicCheckpoint | None]:
    """Return the layout and the configuration of a model, and the published file that it is."""
    if given is not None:
        if not is_own(tensors):
            raise CheckpointError(
                f"{path}: is not a model of cpabmm, so its tensors determine how it is built; omit "
                "the configuration"
            )
        data = given.data.model_copy(update={"frame_size": frame_size or given.data.frame_size})
        layout, config = own_layout(tensors), given.model_copy(update={"data": data})
        check_shapes(path, layout, tensors, config)
        return layout, config, None
    try:
        layout = recognise_layout(path, tensors)
        public = recognise_public_checkpoint(path.name, origin["sha256"], layout.kind)
        size = frame_size or (public.frame_size if public else _DEFAULT_SIZE)
        config = _derive_config(path, layout, tensors, size, public)
        check_shapes(path, layout, tensors, config)
    except CheckpointError:
        if not is_own(tensors):
            raise
        raise CheckpointError(
            f"{path}: holds the tensors of a cpabmm model without its configuration, which another "
            "program did not keep and the tensors do not determine",
            "pass the one that it was trained with as config",
            remedy=Remedy.GIVE_CONFIG,
        ) from None
    return layout, config, public


def _upgrade(path: Path, frame_size: int | None, given: Config | None) -> Conversion:
    """Convert a cpabmm checkpoint of this or an older version."""
    if given is not None:
        raise CheckpointError(f"{path}: states its configuration itself; omit the configuration")
    model, config, record = load_checkpoint(path)
    if frame_size not in (None, config.data.frame_size):
        raise CheckpointError(
            f"{path}: states a frame size of {config.data.frame_size} pixels itself; omit the size"
        )
    return Conversion(config, model.state_dict(), record, "cpabmm", [], size_is_known=True)


def _origin(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _derive_config(
    path: Path, layout: Layout, tensors: Tensors, size: int, public: PublicCheckpoint | None
) -> Config:
    try:
        model = layout.model(tensors)
    except KeyError as error:
        lacking = printable(str(error.args[0]), _SHOWN)
        raise CheckpointError(
            f"{path}: has the layout of {layout.title}, but no usable {lacking}, so it is a part "
            "of a model or of another model; give the complete file as published"
        ) from None
    if public:
        model = {**model, "affine": {**model.get("affine", {}), **public.settings}}
    try:
        return config_from_dict({"data": {"frame_size": size}, "model": model}, str(path))
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def _left_out(layout: Layout, file: CheckpointFile) -> list[str]:
    used = layout.weights(file.tensors).keys() | set(layout.fixed)
    unused = dict.fromkeys(name.split(".")[0] for name in file.tensors if name not in used)
    return [*unused, *file.others]
