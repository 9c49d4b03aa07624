"""Real videos and generated ones side by side: which belong together, and their frames."""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import DataError
from cpabmm_core.media.framing import square_frame
from cpabmm_core.media.image import IMAGE_SUFFIXES, read_image
from cpabmm_core.media.lossless import is_lossless
from cpabmm_core.media.timed_frames import clips_by_name, open_frames
from cpabmm_core.metrics.extractors.puppet_joints import has_puppet_joints
from cpabmm_core.metrics.video_metric import Frames

_NAMED_IN_ERRORS = 3


def match_videos(real: Path, generated: Path) -> list[tuple[Path, Path]]:
    """Which generated file belongs to which real one.

    Two files belong together; in two folders, files (or folders of frames) of one name, whatever
    their suffixes.

    Raises:
        DataError: one is a file and the other a folder, a name is missing on one side, or it stands
            for two files.
        MediaError: a file does not exist.
    """
    if real.is_dir() != generated.is_dir():
        raise DataError(f"{real} and {generated}: expected two files or two folders")
    if not real.is_dir():
        return [(real, generated)]
    ours, theirs = clips_by_name(real), clips_by_name(generated)
    for folder, missing in (
        (generated, ours.keys() - theirs.keys()),
        (real, theirs.keys() - ours.keys()),
    ):
        if missing:
            names = sorted(missing)
            shown = ", ".join(names[:_NAMED_IN_ERRORS])
            more = (
                f" and {len(names) - _NAMED_IN_ERRORS} more"
                if len(names) > _NAMED_IN_ERRORS
                else ""
            )
            raise DataError(f"{folder}: lacks {shown}{more}; both folders need the same names")
    return [(path, theirs[name]) for name, path in ours.items()]


def one_sided_loss(pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    """A line if videos that lost nothing in coding are paired with ones that did; else none.

    Raises:
        MediaError: a video is missing or cannot be read.
    """
    lossless = [(is_lossless(real), is_lossless(generated)) for real, generated in pairs]
    uneven = [number for number, (one, other) in enumerate(lossless) if one != other]
    if not uneven:
        return []
    real, generated = pairs[uneven[0]]
    whole, lossy = (real, generated) if lossless[uneven[0]][0] else (generated, real)
    return [
        f"{lossy}: has coding losses, {whole} has none, and so for {len(uneven)} of {len(pairs)} "
        "videos; losses change the figures, so compare runs that were written alike"
    ]


def paired_frames(
    real: Path,
    generated: Path,
    size: int,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Frames, Frames]]:
    """The frames of a real and a generated video or image side by side, in constant memory.

    Frames of one size are paired as they are. A square frame of another size than the real one is
    paired with what a model saw of the real one: its centred square, resized (`media.framing`).

    Args:
        real: video, GIF, strip, folder of frames or image.
        generated: the same, frame by frame; two images are taken whole, also if they are strips,
            unless joints of puppets lie beside the real one, which tells that it is a strip.
        size: how many frames come at a time; the last may be fewer.
        report: is told in one line if the real frames were cut or resized.

    Raises:
        DataError: the number of the frames differs, or their size and the generated ones are not
            square.
        MediaError: a file is missing or broken.
    """
    waiting: list[tuple[Frame, Frame]] = []
    for pair in _pairs(real, generated, report):
        if len(waiting) == size or (waiting and pair[0].shape != waiting[0][0].shape):
            yield _stacked(waiting)
            waiting = []
        waiting.append(pair)
    if waiting:
        yield _stacked(waiting)


def _stacked(pairs: list[tuple[Frame, Frame]]) -> tuple[Frames, Frames]:
    return np.stack([one for one, _ in pairs]), np.stack([other for _, other in pairs])


def _pairs(
    real: Path, generated: Path, report: Callable[[str], None]
) -> Iterator[tuple[Frame, Frame]]:
    told: set[str] = set()
    pairs = zip_longest(*_frames(real, generated))
    for count, (one, other) in enumerate(pairs):
        if one is None or other is None:
            total = count + 1 + sum(1 for _ in pairs)
            longer, shorter = (real, generated) if other is None else (generated, real)
            raise DataError(
                f"{longer}: has {total} frames, {shorter} has {count}; compare videos of one length"
            )
        if one.shape == other.shape:
            yield one, other
            continue
        height, width = other.shape[:2]
        size = f"{one.shape[1]} x {one.shape[0]}"
        if height != width:
            raise DataError(
                f"{generated}: is {width} x {height}, {real} is {size}; bring them to one size"
            )
        if size not in told:
            report(f"{real}: is {size}; its centred square is compared, at {width} x {height}")
            told.add(size)
        yield square_frame(one, width), other


def _frames(real: Path, generated: Path) -> tuple[Iterator[Frame], Iterator[Frame]]:
    if are_two_pictures(real, generated):
        return iter([read_image(real)]), iter([read_image(generated)])
    one, other = open_frames(real), open_frames(generated)
    return (frame.image for frame in one), (frame.image for frame in other)


def are_two_pictures(real: Path, generated: Path) -> bool:
    """Whether both are images to be compared whole, and not strips of a puppet's frames."""
    return _is_image(real) and _is_image(generated) and not has_puppet_joints(real)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()
