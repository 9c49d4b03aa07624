"""Processing of one raw video in constant memory: finding its clips, then cutting them out."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.boxes import crop_and_resize
from cpabmm_core.data.preprocess.clip_writer import (
    ClipWriter,
    clip_name,
    clip_path,
    move_into_place,
)
from cpabmm_core.data.preprocess.raw.contact_sheet import THUMBNAIL_SIZE
from cpabmm_core.data.preprocess.raw.finders import make_finder
from cpabmm_core.data.preprocess.raw.rules import NO_SUBJECT, Candidate
from cpabmm_core.data.preprocess.raw.scenes import split_scenes
from cpabmm_core.data.preprocess.raw.settings import ClipSettings
from cpabmm_core.data.preprocess.raw.sources import Source
from cpabmm_core.data.preprocess.raw.work_folder import Record, WorkFolder
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.media.image import write_image
from cpabmm_core.media.video import VideoReader
from cpabmm_core.metrics.extractors import SubjectDetector

_BATCH_SIZE = 8
"""The number of frames in a call of the detector."""


def preprocess_video(
    source: Source, settings: ClipSettings, detector: SubjectDetector | None, work: WorkFolder
) -> None:
    """Write the clips of a video and then its record.

    The video is decoded twice: once to find the clips, and once to cut them out.

    Raises:
        MediaError: the video cannot be read, or a clip cannot be written.
        ResourceError: the disk is full.
    """
    work.remove_results(source)
    try:
        stat, digest = source.path.stat(), file_sha256(source.path)
    except OSError as error:
        raise MediaError(f"{source.path}: cannot be read ({one_line(error)}); check it") from None
    with VideoReader(source.path) as reader:
        times = array("q")
        found = sorted(_find_candidates(reader, settings, detector, times), key=_order)
        with work.temporary_folder(source) as folder:
            kept = _name_clips(source, found)
            _cut_clips(reader, kept, settings, folder)
            for name in kept:
                target = clip_path(work.clips, name, settings.file_format)
                move_into_place(clip_path(folder, name, settings.file_format), target)
                move_into_place(folder / f"{name}.png", work.thumbnail_path(name))
        record: Record = {
            "bytes": stat.st_size,
            "modified_ns": stat.st_mtime_ns,
            "sha256": digest,
            "identity": source.identity,
            "frames": len(times),
            "clips": [
                {"name": name, **_describe(each, times, reader)} for name, each in kept.items()
            ],
            "dropped": [
                {**_describe(each, times, reader), "reason": each.dropped}
                for each in found
                if each.dropped is not None
            ],
        }
    work.write_record(source, record)


def _find_candidates(
    reader: VideoReader,
    settings: ClipSettings,
    detector: SubjectDetector | None,
    times: "array[int]",
) -> Iterator[Candidate]:
    """Find the stretches of a video, and append the timestamp of each frame to `times`."""

    def images() -> Iterator[NDArray[np.uint8]]:
        for frame in reader:
            times.append(frame.pts)
            yield frame.image

    finder = make_finder(settings.subject, settings.rules, reader.width, reader.height, detector)
    frames = split_scenes(images(), settings.scenes)
    empty = True
    while batch := list(islice(frames, _BATCH_SIZE)):
        for candidate in finder.add_frames(batch):
            empty = False
            yield candidate
    for candidate in finder.finish():
        empty = False
        yield candidate
    if empty:
        yield Candidate(0, len(times), None, NO_SUBJECT)


def _name_clips(source: Source, found: Sequence[Candidate]) -> dict[str, Candidate]:
    """Name the clips to keep. If two have the same frames, the second gets the suffix ``-2``."""
    kept: dict[str, Candidate] = {}
    for each in found:
        if each.dropped is not None:
            continue
        name, count = "", 0
        while not name or name in kept:
            count += 1
            video = source.video if count == 1 else f"{source.video}-{count}"
            name = clip_name(source.identity, video, start=each.start, end=each.end)
        kept[name] = each
    return kept


def _cut_clips(
    reader: VideoReader, clips: dict[str, Candidate], settings: ClipSettings, folder: Path
) -> None:
    """Write all clips of a video in one pass, with a thumbnail of each middle frame."""
    waiting = sorted(clips, key=lambda name: clips[name].start, reverse=True)
    active: dict[str, tuple[ClipWriter, ExitStack]] = {}
    with ExitStack() as all_writers:
        for number, frame in enumerate(reader):
            while waiting and clips[waiting[-1]].start == number:
                name = waiting.pop()
                held = all_writers.enter_context(ExitStack())
                path = clip_path(folder, name, settings.file_format)
                writer = ClipWriter(
                    path, settings.size, settings.file_format, reader.frame_rate, reader.time_base
                )
                active[name] = held.enter_context(writer), held
            for name, (writer, held) in list(active.items()):
                clip = clips[name]
                assert clip.box is not None
                image = crop_and_resize(frame.image, clip.box, settings.size)
                writer.write(image, frame.pts, frame.duration)
                if number == (clip.start + clip.end) // 2:
                    thumbnail = crop_and_resize(frame.image, clip.box, THUMBNAIL_SIZE)
                    write_image(folder / f"{name}.png", thumbnail)
                if number + 1 == clip.end:
                    del active[name]
                    held.close()
            if not waiting and not active:
                return


def _order(candidate: Candidate) -> tuple[int, int, Sequence[float]]:
    return candidate.start, candidate.end, candidate.box or ()


def _describe(candidate: Candidate, times: "array[int]", reader: VideoReader) -> Record:
    """Describe a stretch: its frames, its times since the first frame of the video, and its box."""

    def seconds(number: int) -> float:
        if number < len(times):
            pts = times[number]
        else:
            pts = times[-1] + round(1 / (reader.frame_rate * reader.time_base))
        return round(float((pts - times[0]) * reader.time_base), 6)

    return {
        "start": candidate.start,
        "end": candidate.end,
        "start_seconds": seconds(candidate.start),
        "end_seconds": seconds(candidate.end),
        "box": None if candidate.box is None else [int(edge) for edge in candidate.box],
    }
