"""Writing a data set of puppet videos, each next to a JSON file with its ground truth."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from cpabmm_core.errors import DataError
from cpabmm_core.files.output import atomic_folder
from cpabmm_core.media.frame_folder import create_frame_folder
from cpabmm_core.media.image import write_image
from cpabmm_core.media.video import VideoWriter
from cpabmm_core.process_map import process_map
from cpabmm_core.puppets.render import PuppetVideo, Split, check_request, render_puppet
from cpabmm_core.puppets.stage import FRAME_RATE

Format = Literal["mp4", "strip", "png"]
"""The file format of the clips: a video, a strip of frames in one image, or a folder of frames."""


def write_puppets(
    folder: Path,
    *,
    videos: int,
    test_videos: int,
    frames: int,
    size: int,
    seed: int,
    format: Format = "mp4",
    workers: int = 1,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Render a data set into ``folder/train`` and ``folder/test``, with different characters.

    Videos are named by their index, and a larger data set begins with the videos of a smaller one.
    The result does not depend on `workers`.

    Args:
        folder: folder to write; must be new or empty unless `force` is set.
        videos: number of training videos.
        test_videos: number of test videos.
        frames: frames in each video, at 25 per second.
        size: side of the square frames, in pixels.
        seed: seed of the data set.
        format: how to store each video. ``mp4`` is small and widely supported, but halves the
            resolution of colour. ``strip`` puts the frames side by side in one PNG; it is lossless
            and better for training, but seven times as large. ``png`` is a folder of lossless
            frames.
        workers: number of processes; 1 renders in this process. With more, a script needs the guard
            ``if __name__ == "__main__":``, because each process imports it.
        force: replace ``train`` and ``test`` in a folder that is not empty.
        progress: called after each video with the number of finished videos and the total.

    Raises:
        DataError: a number is out of range.
        MediaError: the folder cannot be written.
        OutputExistsError: the folder is not empty and `force` is not set.
        ResourceError: the disk is full, or a process was killed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.puppets import write_puppets
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     size = dict(frames=2, size=32, seed=0, format="strip")
        ...     write_puppets(Path(folder), videos=2, test_videos=1, **size)
        ...     sorted(path.name for path in Path(folder, "train").iterdir())
        ['00000.json', '00000.png', '00001.json', '00001.png']
    """
    if videos < 1 or test_videos < 0 or frames < 2 or workers < 1:
        raise DataError(
            "puppets: expected videos >= 1, test videos >= 0, frames >= 2 and workers >= 1, got"
            f" videos {videos}, test videos {test_videos}, frames {frames} and workers {workers}"
        )
    check_request(seed, 0, frames, size)
    counts: tuple[tuple[Split, int], ...] = (("train", videos), ("test", test_videos))
    with atomic_folder(folder, force=force) as temporary:
        tasks = []
        for split, count in counts:
            (temporary / split).mkdir()
            for index in range(count):
                stem = temporary / split / f"{index:05d}"
                tasks.append(_Task(stem, seed, split, index, frames, size, format))
        with process_map(min(workers, len(tasks))) as run:
            for done, _ in enumerate(run(_write_one, tasks), 1):
                if progress is not None:
                    progress(done, len(tasks))


@dataclass(frozen=True)
class _Task:
    stem: Path
    seed: int
    split: Split
    index: int
    frames: int
    size: int
    format: Format


def _write_one(task: _Task) -> None:
    video = render_puppet(
        task.seed, task.index, split=task.split, frames=task.frames, size=task.size
    )
    if task.format == "strip":
        strip = video.frames.transpose(1, 0, 2, 3).reshape(task.size, -1, 3)
        write_image(task.stem.with_suffix(".png"), strip)
    elif task.format == "png":
        with create_frame_folder(task.stem) as folder:
            for frame in video.frames:
                folder.write(frame)
    else:
        path = task.stem.with_suffix(".mp4")
        with VideoWriter(path, task.size, task.size, FRAME_RATE, Fraction(1, FRAME_RATE)) as writer:
            for pts, frame in enumerate(video.frames):
                writer.write(frame, pts)
    text = json.dumps(_truth(task, video), allow_nan=False)
    task.stem.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def _truth(task: _Task, video: PuppetVideo) -> dict[str, Any]:
    return {
        "version": 1,
        "seed": task.seed,
        "split": task.split,
        "index": task.index,
        "frames": task.frames,
        "size": task.size,
        "frame_rate": FRAME_RATE,
        "body_plan": video.body_plan,
        "motion": video.motion,
        "joint_names": list(video.joint_names),
        "joints": video.joints.round(3).tolist(),
        "in_frame": video.in_frame.tolist(),
        "visible": video.visible.tolist(),
        "identity": video.identity,
    }
