"""The visitors of the page and their files, which are deleted when they leave."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from time import time

from cpabmm_cli.web.inputs import Choice, choose_driving, choose_source
from cpabmm_cli.web.rendering import Run
from cpabmm_cli.web.samples import Samples
from cpabmm_core.errors import MediaError
from cpabmm_core.files.temporary import remove

_MOST_SESSIONS = 32
_STEM_BYTES = 80
_PREFIX = "session-"
SAMPLES = "samples"
"""Name of the folder of the samples."""
_PATIENCE = 600.0
"""Seconds after which an upload must have been claimed."""


@dataclass
class Session:
    """One visitor: what was chosen, and the run that goes on.

    Attributes:
        folder: the visitor's files.
        source: the source.
        driving: the driving video.
        run: the current or last run.
    """

    folder: Path
    source: Choice
    driving: Choice
    run: Run | None = None

    def upload_source(self, upload: Path) -> Choice:
        """Check an uploaded source and choose it.

        Raises:
            CpabmmError: it is neither a picture nor a video. The choice stays.
        """
        chosen = self._check(upload, choose_source)
        self._delete(self.source)
        self.source = chosen
        return chosen

    def upload_driving(self, upload: Path) -> Choice:
        """Check an uploaded driving video and choose it.

        Raises:
            CpabmmError: it has no frames. The choice stays.
        """
        chosen = self._check(upload, choose_driving)
        self._delete(self.driving)
        self.driving = chosen
        return chosen

    def new_output(self) -> Path:
        """Return the name of the next result; the one before it is deleted."""
        folder = self.folder / "result"
        remove(folder)
        folder.mkdir()
        source, driving = (_shorten(each.path.stem) for each in (self.source, self.driving))
        return folder / f"{source}--{driving}.mp4"

    def close(self) -> None:
        """Stop the run and delete the files."""
        if self.run is not None:
            self.run.stop()
        remove(self.folder)

    def _check(self, upload: Path, choose: Callable[[Path, Path], Choice]) -> Choice:
        """Move an upload into a new folder of the session and check it there."""
        folder = Path(mkdtemp(dir=self.folder))
        try:
            try:
                upload.replace(folder / upload.name)
                upload.parent.rmdir()
            except OSError:
                raise MediaError(f"{upload.name}: the upload is incomplete; try again") from None
            return choose(folder / upload.name, folder)
        except BaseException:
            remove(folder)
            raise

    def _delete(self, choice: Choice) -> None:
        """Delete an upload that is no longer chosen, unless a run may read it."""
        is_read = self.run is not None and self.run.is_active
        if self.folder in choice.path.parents and not is_read:
            remove(choice.path.parent)


class Sessions:
    """All visitors.

    Args:
        folder: where their files are.
        samples: what is chosen when the page opens.
    """

    def __init__(self, folder: Path, samples: Samples) -> None:
        self._folder, self._samples = folder, samples
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Session:
        """Return the session of this name, a new one if there is none.

        A browser says when a page is closed; other programs may not. So the session that was not
        used for the longest time ends if there are too many.
        """
        with self._lock:
            if name not in self._sessions:
                self._delete_unclaimed()
                folder = Path(mkdtemp(prefix=_PREFIX, dir=self._folder))
                sources, driving = self._samples.sources, self._samples.driving
                self._sessions[name] = Session(folder, sources[0], driving[0])
            self._sessions.move_to_end(name)
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)[1].close()
            return self._sessions[name]

    def close(self, name: str) -> None:
        """End a session."""
        with self._lock:
            session = self._sessions.pop(name, None)
        if session is not None:
            session.close()

    def close_all(self) -> None:
        """End all sessions."""
        for name in list(self._sessions):
            self.close(name)

    def _delete_unclaimed(self) -> None:
        """Delete uploads that no session has asked for."""
        for path in self._folder.iterdir():
            if (
                not path.name.startswith((_PREFIX, SAMPLES))
                and path.stat().st_mtime < time() - _PATIENCE
            ):
                remove(path)


def _shorten(stem: str) -> str:
    """Return the beginning of a name, so that two fit into the name of a file."""
    return stem.encode()[:_STEM_BYTES].decode(errors="ignore")
