"""The clips of one video, cut in one pass."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.data.preprocess.boxes import Box, crop_and_resize
from cpabmm_core.data.preprocess.clip_writer import (
    ClipFormat,
    ClipWriter,
    clip_path,
    move_into_place,
)
from cpabmm_core.data.preprocess.published.manifest import Record, add_record, clip_key, clip_spec
from cpabmm_core.data.preprocess.published.selection import scale_box, select_frames
from cpabmm_core.data.preprocess.published.table import TableRow
from cpabmm_core.data.preprocess.reading import UnreadableVideoError, open_video, read_frames
from cpabmm_core.media.video import VideoFrame, VideoReader


@dataclass(frozen=True, slots=True)
class VideoTask:
    """A video and what to cut out of it; may be sent to another process."""

    source: Path
    rows: Sequence[TableRow]
    folder: Path
    """Holds ``train`` and ``test``."""
    unfinished: Path
    """A folder on the same disk for clips that are not finished."""
    manifest: Path
    """File that receives a record of each row."""
    size: int
    file_format: ClipFormat


def cut_video(task: VideoTask) -> None:
    """Cut all rows of a video, decoding it once and no further than they reach.

    A clip's record is written after the clip. Of a row that reaches past the end of the video, what
    is there is kept; a row within which, or before which, the video is damaged is left out.

    Raises:
        MediaError: a clip or the manifest cannot be written.
        ResourceError: the disk is full.
    """
    cuts = [_Cut(task, row) for row in task.rows]
    try:
        with open_video(task.source) as reader:
            for cut in cuts:
                cut.locate(reader)
            count = _cut_in_one_pass(cuts, reader)
        for cut in cuts:
            cut.finish(f"the video ends after {count} frames")
    except UnreadableVideoError as error:
        for cut in cuts:
            cut.give_up(str(error))
    finally:
        for cut in cuts:
            cut.abandon()


def _cut_in_one_pass(cuts: "Sequence[_Cut]", reader: VideoReader) -> int:
    """Hand each frame to the clips that it belongs to; the number of frames that were decoded."""
    waiting = deque(sorted((cut for cut in cuts if cut.frames), key=lambda cut: cut.frames.start))
    current: list[_Cut] = []
    count = 0
    for number, frame in enumerate(read_frames(reader)):
        count = number + 1
        while waiting and waiting[0].frames.start == number:
            current.append(waiting.popleft())
        for cut in current:
            cut.take(frame, reader)
        for cut in [cut for cut in current if cut.frames.stop == count]:
            cut.finish()
            current.remove(cut)
        if not waiting and not current:
            break
    return count


class _Cut:
    """One row on its way to a clip."""

    def __init__(self, task: VideoTask, row: TableRow) -> None:
        self.frames = range(0)
        """The frames to be cut; none if the row asks for nothing that can be cut."""
        self._task, self._row = task, row
        self._box: Box | None = None
        self._reason = ""
        self._writer: ClipWriter | None = None
        self._count = 0
        self._recorded = False
        self._path = clip_path(task.unfinished / row.partition, row.name, task.file_format)

    def locate(self, reader: VideoReader) -> None:
        """Find frames and box in the video at hand."""
        self._box = scale_box(self._row, reader.width, reader.height)
        frames = select_frames(self._row, reader.frame_rate)
        if self._box.width <= 0 or self._box.height <= 0:
            self._reason = f"its box is empty in a video of {reader.width} x {reader.height}"
        elif not frames:
            self._reason = f"no frame falls into it at {float(reader.frame_rate):g} a second"
        else:
            self.frames = frames

    def take(self, frame: VideoFrame, reader: VideoReader) -> None:
        """Append what a frame shows in the box."""
        assert self._box is not None
        if self._writer is None:
            self._writer = ClipWriter(
                self._path,
                self._task.size,
                self._task.file_format,
                reader.frame_rate,
                reader.time_base,
            )
        image = crop_and_resize(frame.image, self._box, self._task.size)
        self._writer.write(image, frame.pts, frame.duration)
        self._count += 1

    def finish(self, end: str = "") -> None:
        """Put the clip in its place and record it; `end` says why no more frames come."""
        if self._recorded:
            return
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with writer:
                pass  # an end without an error finishes the clip
            target = self._task.folder / self._row.partition / self._path.name
            move_into_place(self._path, target)
        missing = len(self.frames) - self._count
        self._record(f"{end}, {missing} of its {len(self.frames)} are missing" if missing else "")

    def give_up(self, reason: str) -> None:
        """Record that the clip cannot be made, unless it is there already."""
        self.abandon()
        self._count = 0
        if not self._recorded:
            self._record(reason)

    def abandon(self) -> None:
        """Close what is half written; it stays among the unfinished."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.__exit__(InterruptedError, InterruptedError(), None)

    def _record(self, reason: str) -> None:
        task = self._task
        record = Record(
            clip_key(self._row),
            clip_spec(self._row, task.size, task.file_format),
            task.source.name,
            self._count,
            [self.frames.start, self.frames.stop] if self.frames else None,
            [int(edge) for edge in self._box] if self._box else None,
            self._reason or reason or None,
        )
        add_record(task.manifest, record)
        self._recorded = True
