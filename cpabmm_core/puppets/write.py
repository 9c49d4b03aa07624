"""A data set of puppet videos on disk, each with its truth in a JSON file beside it."""

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
    """Render a data set: ``folder/train`` and ``folder/test``, with different characters.

    Videos are named by their index, so asking for more later renders the same ones first. ``mp4``
    is small and plays anywhere, but halves the resolution of the colours; ``strip`` (the frames
    side by side in one PNG) is lossless, seven times larger and the better one to train on;
    ``png`` (a folder of frames for each video) is lossless too. The result does not depend on
    `workers`, the number of processes.

    Args:
        folder: Where to write; must be new or empty unless `force`.
        videos: Number of training videos.
        test_videos: Number of test videos.
        frames: Frames in each video, at 25 a second.
        size: Side of the square frames, in pixels.
        seed: Seed of the whole set.
        format: How each video is stored.
        workers: Processes to render with; 1 stays within this one. With more, a script needs the
            guard ``if __name__ == "__main__":``, for each process imports it.
        force: Replace ``train`` and ``test`` in a folder that holds something.
        progress: Called after each video with the number done and the total.

    Raises:
        DataError: If a number is out of range.
        MediaError: If the folder cannot be written.
        OutputExistsError: If the folder holds something and `force` is not set.
        ResourceError: If the disk is full, or one of the processes was killed.
    """
    if videos < 1 or test_videos < 0 or frames < 2 or workers < 1:
        raise DataError(
            "puppets: expected videos >= 1, test videos >= 0, frames >= 2 and workers >= 1, got"
            f" {videos}, {test_videos}, {frames} and {workers}"
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
