"""A data set from raw videos: on all cores, resumable, and in shards on several machines."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cpabmm_core.data.clip_set import StatusCallback
from cpabmm_core.data.preprocess.raw.assemble import VideoSummary, assemble, summarise
from cpabmm_core.data.preprocess.raw.one_video import preprocess_video
from cpabmm_core.data.preprocess.raw.settings import ClipSettings, describe_settings
from cpabmm_core.data.preprocess.raw.sources import Source, list_sources
from cpabmm_core.data.preprocess.raw.work_folder import WorkFolder
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.metrics.extractors import Request, SubjectDetector, open_subject_detector
from cpabmm_core.process_map import process_map


def preprocess_videos(
    given: Path,
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

    Each video that is done has a record in ``output/work``, so a run that was stopped in any way
    goes on when it is started again, to the same result; so does one with more videos. The run that
    finds a record of every video splits the clips by identity and writes the manifest and the
    contact sheet. A video that cannot be read is reported, and tried again by the next run.

    Args:
        given: a video, or a folder (`sources.list_sources`).
        output: folder to write; new, empty, or begun with the same settings.
        settings: what to look for and how to cut it.
        shard: the part of the videos to work on; None takes all.
        workers: processes; 1 stays within this one. With more, a script needs the guard
            ``if __name__ == "__main__":``, for each process imports it.
        request: device and rules of the detector.
        report: receives a line for each video that cannot be read.
        progress: is called after each video with the number done and the total.

    Returns:
        What all records hold, those of other shards and earlier runs included.

    Raises:
        ConfigError: a setting is wrong, or a package or weights are missing.
        DataError: there is no video.
        OutputExistsError: the folder holds something else, or was begun with other settings.
        MediaError: the folder cannot be written, or another run is writing there.
        ResourceError: the disk is full, or one of the processes was killed.
    """
    shard, request = shard or Shard(), request or Request()
    sources = list_sources(given)
    described = describe_settings(settings, request)
    work = WorkFolder(output, settings.file_format)
    work.begin(described, given)
    with work.lock(shard, report):
        ours = [source for source in sources if shard.contains(source.name)]
        todo = [source for source in ours if not work.is_done(source)]
        threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None
        how = _Detection(settings.subject, request.device, request.allow_download, threads)
        tasks = [_Task(source, settings, work, how) for source in todo]
        done = len(ours) - len(todo)
        if progress is not None:
            progress(done, len(ours))
        with process_map(max(1, min(workers, len(tasks)))) as run:
            for count, trouble in enumerate(run(_preprocess_one, tasks), done + 1):
                if trouble is not None:
                    report(trouble)
                if progress is not None:
                    progress(count, len(ours))
        _open_detector.cache_clear()
    waiting = sum(work.record(source) is None for source in sources)
    if not waiting:
        assemble(work, described)
    return summarise(work.records(), waiting=waiting)


@dataclass(frozen=True)
class _Detection:
    """How to open the detector in another process."""

    subject: str
    device: str
    allow_download: bool
    threads: int | None
    """Of torch, which would else start as many in each process as there are cores."""


@dataclass(frozen=True)
class _Task:
    source: Source
    settings: ClipSettings
    work: WorkFolder
    detection: _Detection


def _preprocess_one(task: _Task) -> str | None:
    """Make the clips of a video; what is wrong with it, if anything."""
    detector = _open_detector(task.detection) if task.settings.needs_detector else None
    try:
        preprocess_video(task.source, task.settings, detector, task.work)
    except (DataError, MediaError) as error:
        message = str(error).replace(str(task.source.path), task.source.name)
        task.work.write_record(task.source, {"error": message})
        return str(error)
    return None


@lru_cache(maxsize=1)
def _open_detector(how: _Detection) -> SubjectDetector:
    """The detector of this process."""
    request = Request(device=how.device, allow_download=how.allow_download)
    detector = open_subject_detector(how.subject, request)
    torch = sys.modules.get("torch")
    if torch is not None and how.threads is not None:
        torch.set_num_threads(how.threads)
    return detector
