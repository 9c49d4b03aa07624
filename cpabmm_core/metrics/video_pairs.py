"""Matching of real and generated videos, and reading of their frames in pairs."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.media.content import is_still
from cpabmm_core.media.framing import square_frame
from cpabmm_core.media.image import read_image
from cpabmm_core.media.lossless import is_lossless
from cpabmm_core.media.timed_frames import clips_by_name, open_frames
from cpabmm_core.metrics.extractors.puppets.joints import has_puppet_joints
from cpabmm_core.metrics.video_metric import Frames
from cpabmm_core.progress import StatusCallback

_NAMED_IN_ERRORS = 3


def match_videos(
    real: Path, generated: Path, report: StatusCallback = lambda _: None
) -> list[tuple[Path, Path]]:
    """Match generated videos with real ones by name.

    Two files are one pair. In two folders, files and folders of frames of equal name match,
    whatever their suffixes.

    Args:
        real: a video or image, or a folder of them.
        generated: likewise.
        report: called with one line for each folder that names what was passed over in it.

    Returns:
        Paths of the real and the generated video of each pair, in natural order of their names.

    Raises:
        DataError: one path is a file and the other a folder, a folder lacks a name of the other, or
            a name stands for two files.
        MediaError: a path does not exist.

    Example:
        >>> match_videos(Path("real.mp4"), Path("generated.mp4"))
        [(PosixPath('real.mp4'), PosixPath('generated.mp4'))]
    """
    if real.is_dir() != generated.is_dir():
        raise DataError(f"{real} and {generated}: expected two files or two folders")
    if not real.is_dir():
        return [(real, generated)]
    ours, theirs = clips_by_name(real, report), clips_by_name(generated, report)
    _check_complete(generated, ours.keys() - theirs.keys())
    _check_complete(real, theirs.keys() - ours.keys())
    return [(path, theirs[name]) for name, path in ours.items()]


def coding_warnings(pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    """Return one status message if lossless videos are paired with lossy ones, else none.

    Raises:
        MediaError: a video is missing or unreadable.
    """
    lossless = [(is_lossless(real), is_lossless(generated)) for real, generated in pairs]
    uneven = [index for index, (one, other) in enumerate(lossless) if one != other]
    if not uneven:
        return []
    real, generated = pairs[uneven[0]]
    whole, lossy = (real, generated) if lossless[uneven[0]][0] else (generated, real)
    return [
        f"{lossy} is lossy, but {whole} is lossless (as in {len(uneven)} of {len(pairs)} pairs); "
        "compression changes the values, so compare only runs written in the same format"
    ]


def read_frame_pairs(
    real: Path,
    generated: Path,
    size: int,
    *,
    announce: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Frames, Frames]]:
    """Read the frames of a real and a generated video in pairs, in constant memory.

    Frames of equal size are paired unchanged. If a generated frame is square and differs in size,
    the centred square of the real frame is resized to it, as for a model (`media.framing`).

    Args:
        real: video, GIF, strip, folder of frames, or image.
        generated: likewise. Two images are compared whole, even if they are strips, unless puppet
            joints lie next to the real one, which marks it as a strip.
        size: number of frames per chunk; the last chunk may be smaller.
        announce: receives a status message if real frames were cropped or resized.

    Yields:
        Chunks of real and generated frames, both (F, H, W, 3).

    Raises:
        DataError: the videos differ in length, or frames differ in size and the generated ones are
            not square.
        MediaError: a file is missing or damaged.
    """
    pending: list[tuple[Frame, Frame]] = []
    for pair in _read_pairs(real, generated, announce):
        if len(pending) == size or (pending and pair[0].shape != pending[0][0].shape):
            yield _stack(pending)
            pending = []
        pending.append(pair)
    if pending:
        yield _stack(pending)


def are_single_images(real: Path, generated: Path) -> bool:
    """Return whether both are images to compare whole, rather than strips of puppet frames."""
    return is_still(real) and is_still(generated) and not has_puppet_joints(real)


def _check_complete(folder: Path, missing: Collection[str]) -> None:
    if not missing:
        return
    names = sorted(missing)
    shown = ", ".join(names[:_NAMED_IN_ERRORS])
    hidden = len(names) - _NAMED_IN_ERRORS
    more = f" and {hidden} more" if hidden > 0 else ""
    raise DataError(f"{folder}: lacks {shown}{more}; both folders need the same names")


def _stack(pairs: list[tuple[Frame, Frame]]) -> tuple[Frames, Frames]:
    return np.stack([real for real, _ in pairs]), np.stack([generated for _, generated in pairs])


def _read_pairs(
    real: Path, generated: Path, announce: Callable[[str], None]
) -> Iterator[tuple[Frame, Frame]]:
    announced: set[str] = set()
    pairs = zip_longest(*_open_both(real, generated))
    for count, (one, other) in enumerate(pairs):
        if one is None or other is None:
            total = count + 1 + sum(1 for _ in pairs)
            longer, shorter = (real, generated) if other is None else (generated, real)
            raise DataError(
                f"{longer}: has {total} frames, {shorter} has {count}; "
                "compare videos of equal length"
            )
        if one.shape == other.shape:
            yield one, other
            continue
        height, width = other.shape[:2]
        size = f"{one.shape[1]} x {one.shape[0]}"
        if height != width:
            raise DataError(
                f"{generated}: is {width} x {height}, {real} is {size}; resize one of them"
            )
        if size not in announced:
            announce(f"{real}: is {size}; its centred square is compared at {width} x {height}")
            announced.add(size)
        yield square_frame(one, width), other


def _open_both(real: Path, generated: Path) -> tuple[Iterator[Frame], Iterator[Frame]]:
    if are_single_images(real, generated):
        return iter([read_image(real)]), iter([read_image(generated)])
    one, other = open_frames(real), open_frames(generated)
    return (frame.image for frame in one), (frame.image for frame in other)
