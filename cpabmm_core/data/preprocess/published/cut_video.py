"""Cutting the clips of one video in one pass."""

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
    """A video and the clips to cut out of it; can be sent to another process."""

    source: Path
    rows: Sequence[TableRow]
    folder: Path
    """The folder with ``train`` and ``test``."""
    unfinished: Path
    """The folder for clips that are being written, on the same disk as `folder`."""
    manifest: Path
    """The file to which the record of each row is appended."""
    size: int
    file_format: ClipFormat


def cut_video(task: VideoTask) -> None:
    """Cut all rows of a video, decoding it once and only as far as necessary.

    The record of a clip is written after the clip. A row that extends beyond the end of the video
    gives a short clip. A row that ends after damage in the video gives none.

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
            cut.fail(str(error))
    finally:
        for cut in cuts:
            cut.close()


def _cut_in_one_pass(cuts: "Sequence[_Cut]", reader: VideoReader) -> int:
    """Add each frame to its clips; return the number of decoded frames."""
    waiting = deque(sorted((cut for cut in cuts if cut.frames), key=lambda cut: cut.frames.start))
    current: list[_Cut] = []
    count = 0
    for number, frame in enumerate(read_frames(reader)):
        count = number + 1
        while waiting and waiting[0].frames.start == number:
            current.append(waiting.popleft())
        for cut in current:
            cut.add(frame, reader)
        for cut in [cut for cut in current if cut.frames.stop == count]:
            cut.finish()
            current.remove(cut)
        if not waiting and not current:
            break
    return count


class _Cut:
    """The clip of one row while it is being cut."""

    def __init__(self, task: VideoTask, row: TableRow) -> None:
        self.frames = range(0)
        """The frames to cut; empty if the row selects none."""
        self._task, self._row = task, row
        self._box: Box | None = None
        self._reason = ""
        self._writer: ClipWriter | None = None
        self._count = 0
        self._recorded = False
        self._path = clip_path(task.unfinished / row.partition, row.name, task.file_format)

    def locate(self, reader: VideoReader) -> None:
        """Determine the frames and the box in the video."""
        self._box = scale_box(self._row, reader.width, reader.height)
        frames = select_frames(self._row, reader.frame_rate)
        if self._box.width <= 0 or self._box.height <= 0:
            self._reason = f"its box is empty in a video of {reader.width} x {reader.height}"
        elif not frames:
            self._reason = f"it contains no frame at {float(reader.frame_rate):g} frames per second"
        else:
            self.frames = frames

    def add(self, frame: VideoFrame, reader: VideoReader) -> None:
        """Append a frame, cropped to the box."""
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
        """Move the clip to its final path and record it; `end` is the reason for missing frames."""
        if self._recorded:
            return
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with writer:
                pass  # leaving the context without an error finishes the clip
            target = self._task.folder / self._row.partition / self._path.name
            move_into_place(self._path, target)
        missing = len(self.frames) - self._count
        self._record(f"{end}; {missing} of {len(self.frames)} are missing" if missing else "")

    def fail(self, reason: str) -> None:
        """Record that the clip cannot be cut, unless it is finished."""
        self.close()
        self._count = 0
        if not self._recorded:
            self._record(reason)

    def close(self) -> None:
        """Close an unfinished clip; it remains in the temporary folder."""
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
