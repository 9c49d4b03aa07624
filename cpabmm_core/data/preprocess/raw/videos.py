"""Preprocessing of raw videos, in several processes and on several machines, with resuming."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cpabmm_core.data.preprocess.raw.assemble import VideoSummary, assemble, summarise
from cpabmm_core.data.preprocess.raw.one_video import preprocess_video
from cpabmm_core.data.preprocess.raw.settings import ClipSettings, describe_settings
from cpabmm_core.data.preprocess.raw.sources import Source, list_sources
from cpabmm_core.data.preprocess.raw.work_folder import WorkFolder
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.metrics.extractors import Request, SubjectDetector, open_subject_detector
from cpabmm_core.process_map import process_map
from cpabmm_core.progress import StatusCallback


def preprocess_videos(
    source: Path,
    output: Path,
    settings: ClipSettings,
    *,
    shard: Shard | None = None,
    workers: int = 1,
    request: Request | None = None,
    report: StatusCallback = lambda _: None,
    progress: Callable[[int, int], None] | None = None,
) -> VideoSummary:
    """Cut clips of a subject out of raw videos into ``output/train`` and ``output/test``.

    ``output/work`` contains a record of each processed video. If the function is called again,
    after a run was stopped or with more videos, it processes only the videos without a record. The
    result equals that of a single run. As soon as every video has a record, the clips are split by
    identity, and the manifest and the contact sheet are written. Unreadable videos are reported,
    and the next run tries them again.

    Args:
        source: a video, or a folder of videos; sub-folders are identities.
        output: folder to write; must be new, empty, or begun with the same settings.
        settings: which clips to find, and how to write them.
        shard: the part of the videos to process; None processes all.
        workers: number of processes; 1 works in this process. With more, a script needs the guard
            ``if __name__ == "__main__":``, because each process imports it.
        request: device and options of the detector.
        report: called with one line for each unreadable video.
        progress: called after each video with the number of finished videos and the total.

    Returns:
        A summary of all records, including those of other shards and earlier runs.

    Raises:
        ConfigError: a setting is invalid, or a package or weights are missing.
        DataError: the source contains no video.
        OutputExistsError: the folder contains something else, was begun with other settings, or
            another run is writing to it.
        MediaError: the folder cannot be written.
        ResourceError: the disk is full, or a process was killed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.data.preprocess import ClipSettings, preprocess_videos, rules_for
        >>> from cpabmm_core.puppets import write_puppets
        >>> temporary = tempfile.TemporaryDirectory()
        >>> raw, output = Path(temporary.name, "raw"), Path(temporary.name, "set")
        >>> write_puppets(raw, videos=2, test_videos=0, frames=4, size=64, seed=0)
        >>> rules = rules_for("none", min_frames=2, min_size=64)
        >>> settings = ClipSettings("none", rules, size=32, scenes="none", test_share=0.5)
        >>> summary = preprocess_videos(raw / "train", output, settings)
        >>> summary.clips, summary.identities
        (2, 2)
        >>> sorted(path.name for path in output.iterdir())
        ['contact-sheet.png', 'manifest.jsonl', 'test', 'train', 'work']
        >>> temporary.cleanup()
    """
    shard, request = shard or Shard(), request or Request()
    videos = list_sources(source, report)
    description = describe_settings(settings, request)
    work = WorkFolder(output, settings.file_format)
    work.begin(description, source)
    with work.lock(shard, report):
        ours = [video for video in videos if shard.contains(video.name)]
        todo = [video for video in ours if not work.is_done(video)]
        threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None
        detection = _Detection(settings.subject, request.device, request.allow_download, threads)
        tasks = [_Task(video, settings, work, detection) for video in todo]
        done = len(ours) - len(todo)
        if progress is not None:
            progress(done, len(ours))
        with process_map(max(1, min(workers, len(tasks)))) as run:
            for count, problem in enumerate(run(_preprocess_one, tasks), done + 1):
                if problem is not None:
                    report(problem)
                if progress is not None:
                    progress(count, len(ours))
        _open_detector.cache_clear()
    waiting = sum(work.read_record(video) is None for video in videos)
    if not waiting:
        assemble(work, description, report)
    return summarise(work.read_records(), waiting=waiting)


@dataclass(frozen=True)
class _Detection:
    """The arguments with which each process opens its detector."""

    subject: str
    device: str
    allow_download: bool
    threads: int | None
    """The number of torch threads per process; None keeps torch's default, one per core."""


@dataclass(frozen=True)
class _Task:
    source: Source
    settings: ClipSettings
    work: WorkFolder
    detection: _Detection


def _preprocess_one(task: _Task) -> str | None:
    """Process a video; return the problem if it is unreadable, else None."""
    detector = _open_detector(task.detection) if task.settings.needs_detector else None
    try:
        preprocess_video(task.source, task.settings, detector, task.work)
    except (DataError, MediaError) as error:
        message = str(error).replace(str(task.source.path), task.source.name)
        task.work.write_record(task.source, {"error": message})
        return str(error)
    return None


@lru_cache(maxsize=1)
def _open_detector(detection: _Detection) -> SubjectDetector:
    """Return the detector of this process, opening it on first use."""
    request = Request(device=detection.device, allow_download=detection.allow_download)
    detector = open_subject_detector(detection.subject, request)
    torch = sys.modules.get("torch")
    if torch is not None and detection.threads is not None:
        torch.set_num_threads(detection.threads)
    return detector
