"""Checks of the name and the place of an output, before any work is done."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cpabmm_core.errors import ConfigError, MediaError, ResourceError
from cpabmm_core.files.output import check_output, check_output_folder
from cpabmm_core.media.video.formats import CONTAINERS, format_of_suffix

STANDARD_OUTPUT = "-"
"""The name of an output that stands for standard output."""
FOLDER = "png"
"""The name of the format that is a folder of frames."""
_STREAMED = "mp4"
_SLASHES = tuple({"/", os.sep})
_LEAST_FREE = 32 * 2**20
"""Bytes. With less, even a short output may fill the disk."""


def format_name(name: str, format: str | None) -> str:
    """Return the name of the format of an output; see `output_target`."""
    if name == STANDARD_OUTPUT:
        return format or _STREAMED
    if name.endswith(_SLASHES):
        if format not in (None, FOLDER):
            raise ConfigError(f"{name}: a folder holds PNG frames, not {format}; name a file")
        return FOLDER
    by_suffix = format_of_suffix(Path(name).suffix)
    if format in CONTAINERS and by_suffix not in (None, format):
        raise ConfigError(
            f"{name}: its suffix means {by_suffix}, not {format}; leave one of them out"
        )
    if format is not None:
        return format
    if by_suffix is None:
        raise _unknown_suffix(Path(name))
    return by_suffix


def _unknown_suffix(path: Path) -> MediaError:
    if path.is_dir():
        return MediaError(f"{path}: is a folder; name a file in it, or end it in / for PNG frames")
    got = f"suffix {path.suffix}" if path.suffix else "no suffix"
    usual = " ".join(each.suffixes[0] for each in CONTAINERS.values() if each.suffixes)
    return MediaError(f"{path}: {got}; an output ends in one of {usual}, or in / for PNG frames")


def check_place(path: Path, inputs: Sequence[Path], *, force: bool, is_folder: bool) -> None:
    """Check that a file or a folder can be written, and that its disk has space left.

    Args:
        path: the file or the folder.
        inputs: what the same task reads.
        force: whether an existing file may be replaced, and an existing folder written into.
        is_folder: whether it is a folder of frames.

    Raises:
        OutputExistsError: it exists, and `force` is False.
        MediaError: it cannot be written, or replaces an input.
        ResourceError: hardly any space is left.
    """
    if not is_folder:
        check_output(path, force=force, inputs=inputs)
    else:
        check_output_folder(path, force=force, inputs=inputs)
        if any(each.is_file() and each.resolve().parent == path.resolve() for each in inputs):
            raise MediaError(f"{path}: holds an input; choose another folder for the output")
    folder = path.absolute().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # a file system that does not tell
        return
    if free < _LEAST_FREE:
        raise ResourceError(
            f"{path}: only {free / 2**20:.0f} MB are left on its disk", "free some space"
        )
