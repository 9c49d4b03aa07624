"""The frames of a file that was stored because its pipe could not be read as it comes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cpabmm_core.errors import CpabmmError
from cpabmm_core.media.notices import rename_in_notices
from cpabmm_core.media.timed_frames import DrivingFrames
from cpabmm_core.media.video.video_frame import VideoFrame


class StoredFrames:
    """The frames of a temporary file; errors and notices name the pipe that it came from.

    Args:
        name: the name of the pipe.
        path: the temporary file.
        open_file: opens it.
        stack: deletes it.

    Raises:
        CpabmmError: what `open_file` raises.
    """

    is_live = False

    def __init__(
        self, name: str, path: Path, open_file: Callable[[Path], DrivingFrames], stack: ExitStack
    ) -> None:
        self._name, self.path = name, path
        with ExitStack() as opening:
            opening.push(stack)
            with self._named():
                self._frames = opening.enter_context(open_file(path))
            self._closing = opening.pop_all()
        self.width, self.height = self._frames.width, self._frames.height
        self.frame_rate, self.time_base = self._frames.frame_rate, self._frames.time_base
        self.has_audio = self._frames.has_audio

    def __enter__(self) -> Self:
        """Return the frames."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file and delete it."""
        self._closing.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        """Iterate over all frames from the first one."""
        frames = iter(self._frames)
        while True:
            with self._named():
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def stop(self) -> None:
        """End the iteration after the frame that is being read; any thread may call this."""
        self._frames.stop()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Replace the temporary path in errors and notices."""
        old = str(self.path)
        try:
            with rename_in_notices(old, self._name):
                yield
        except CpabmmError as error:
            if old not in str(error):
                raise
            trouble = error.trouble.replace(old, self._name)
            raise type(error)(trouble, error.cure, remedy=error.remedy) from None
