"""Recognition of the layout of a checkpoint from the names of its tensors."""

from pathlib import Path

from cpabmm_core.checkpoint.flatten import CheckpointFile
from cpabmm_core.checkpoint.layouts import LAYOUTS, Layout, Tensors, is_own
from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.printable import first_names

_NAMED_IN_ERRORS = 3
_MOST_WRAPPERS = 8
"""Most parts that are removed; the time would grow with the square of their number."""


def unwrap_networks(file: CheckpointFile) -> CheckpointFile:
    """Remove a first part that the names of all tensors share, such as ``ema.`` or ``model.``.

    Programs that train store a model as one part of another. Names that have no known layout after
    that stay as they are.
    """
    tensors = file.tensors
    for _ in range(_MOST_WRAPPERS):
        if is_own(tensors) or any(layout.matches(tensors) for layout in LAYOUTS):
            return CheckpointFile(tensors, file.others)
        parts = {name.partition(".")[0] for name in tensors}
        if len(parts) > 1 or not all("." in name for name in tensors):
            return file
        tensors = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    return file


def recognise_layout(path: Path, tensors: Tensors) -> Layout:
    """Return the layout of the tensors of a file.

    Raises:
        CheckpointError: the layout is unknown; the message names the nearest one, if any is near.
    """
    for layout in LAYOUTS:
        if layout.matches(tensors):
            return layout
    nearest = max(LAYOUTS, key=lambda layout: _similarity(layout, tensors))
    found = first_names(sorted(tensors)[:_NAMED_IN_ERRORS], _NAMED_IN_ERRORS)
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
