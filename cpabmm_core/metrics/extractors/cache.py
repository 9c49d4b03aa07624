"""What extractors found in frames, kept on disk by the content of the frame."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from cpabmm_core.metrics.extractors.interface import ExtractorInfo

_FILE = "extractors-1.sqlite"
"""The number is that of the layout of the table."""
_IN_MEMORY = ":memory:"
_MAX_BYTES = 1_000_000_000
_DROPPED_AT_ONCE = 0.1
"""Share of the entries, the oldest, that makes room when the file is full."""
_WAIT_SECONDS = 60.0
_ANEW = "frames are measured anew"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS found "
    "(id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, shape TEXT NOT NULL, value BLOB NOT NULL)"
)

Measure = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


class FrameCache:
    """Measures a frame only if no frame of the same content was measured before.

    An entry is known by the extractor (name, version, weights, options), by what it was asked for,
    and by the frame's pixels. It takes as many bytes as the result has, 8 a number, and about 60
    more; at `max_bytes` the oldest entries are dropped. Several processes may use one folder. A
    damaged file is discarded. Where the folder cannot be used, what is found is kept in memory, up
    to the same size.
    """

    def __init__(
        self,
        folder: Path | None,
        announce: Callable[[str], None],
        *,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        """Name the cache; its file is opened when the first frame comes.

        Args:
            folder: where its file lies, made if missing; None for memory.
            announce: told in one line if the file was damaged or cannot be used.
            max_bytes: size of the file at which old entries are dropped.
        """
        self._path = None if folder is None else folder / _FILE
        self._announce = announce
        self._max_bytes = max_bytes

    @cached_property
    def _table(self) -> sqlite3.Connection:
        return _in_memory() if self._path is None else self._open(self._path)

    def values(
        self,
        info: ExtractorInfo,
        what: str,
        frames: NDArray[np.uint8],  # (F, H, W, 3)
        measure: Measure,
    ) -> NDArray[np.float64]:  # (F, ...)
        """What the extractor finds in the frames.

        Args:
            info: the extractor.
            what: what it is asked for: ``keypoints`` or ``embeddings``.
            frames: frames of one size.
            measure: finds it in those frames, of any number from 1, that are not in the cache.
        """
        keys = [_key(info, what, frame) for frame in frames]
        known = self._read(keys)
        missing = {key: n for n, key in enumerate(keys) if key not in known}
        if missing:
            found = measure(frames[sorted(missing.values())])
            new = dict(zip(sorted(missing, key=missing.__getitem__), found, strict=True))
            self._write(new)
            known |= new
        return np.stack([known[key] for key in keys])

    def kept(self, info: ExtractorInfo, what: str, measure: Measure) -> Measure:
        """`measure` with this cache before it."""
        return lambda frames: self.values(info, what, frames, measure)

    def _read(self, keys: list[bytes]) -> dict[bytes, NDArray[np.float64]]:
        marks = ",".join("?" * len(keys))
        query = f"SELECT key, shape, value FROM found WHERE key IN ({marks})"
        try:
            rows = self._table.execute(query, keys).fetchall()
            return {
                key: np.frombuffer(value, np.float64).reshape(json.loads(shape))
                for key, shape, value in rows
            }
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._give_up(error)
            return {}

    def _write(self, found: dict[bytes, NDArray[np.float64]]) -> None:
        rows = [
            (key, json.dumps(value.shape), np.asarray(value, np.float64).tobytes())
            for key, value in found.items()
        ]
        insert = "INSERT OR IGNORE INTO found (key, shape, value) VALUES (?, ?, ?)"
        try:
            with self._table:
                self._table.executemany(insert, rows)
                self._make_room()
        except sqlite3.Error as error:
            self._give_up(error)

    def _make_room(self) -> None:
        pages, free, size = (
            self._table.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size > self._max_bytes:  # freed pages are written anew
            some = "SELECT CAST(1 + ? * COUNT(*) AS INTEGER) FROM found"
            oldest = f"SELECT id FROM found ORDER BY id LIMIT ({some})"
            self._table.execute(f"DELETE FROM found WHERE id IN ({oldest})", (_DROPPED_AT_ONCE,))

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _lock(path):
                return self._open_whole(path)
        except (OSError, sqlite3.Error) as error:
            self._announce(f"{path}: what is found in frames is not kept there ({error})")
            return _in_memory()

    def _open_whole(self, path: Path) -> sqlite3.Connection:
        try:
            return _connect(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            self._announce(
                f"{path}: is damaged ({error}) and was discarded; frames are measured anew"
            )
            _discard(path)
            return _connect(path)

    def _give_up(self, error: Exception) -> None:
        """Go on in memory; a file that turned out damaged is discarded for the next time."""
        with suppress(sqlite3.Error):
            self._table.close()
        damaged = not isinstance(error, sqlite3.OperationalError)
        if self._path is not None:
            why = f"is damaged ({error}) and was discarded" if damaged else f"fails ({error})"
            self._announce(f"{self._path}: {why}; {_ANEW}")
            if damaged:
                with suppress(OSError), _lock(self._path):
                    _discard(self._path)
        self._path, self._table = None, _in_memory()


def _key(
    info: ExtractorInfo,
    what: str,
    frame: NDArray[np.uint8],  # (H, W, 3)
) -> bytes:
    by = [info.name, info.version, info.weights, sorted(info.options.items()), what, frame.shape]
    content = hashlib.blake2b(json.dumps(by).encode(), digest_size=24)
    content.update(np.ascontiguousarray(frame).data)
    return content.digest()


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"), timeout=_WAIT_SECONDS)


def _in_memory() -> sqlite3.Connection:
    return _prepared(sqlite3.connect(_IN_MEMORY))


def _connect(path: Path) -> sqlite3.Connection:
    return _prepared(sqlite3.connect(path, timeout=_WAIT_SECONDS))


def _prepared(table: sqlite3.Connection) -> sqlite3.Connection:
    try:
        table.execute("PRAGMA synchronous = OFF")  # a cache may be lost when the machine dies
        table.execute(_TABLE)
        table.execute("SELECT key, shape, value FROM found LIMIT 1").fetchone()
        table.commit()
    except sqlite3.Error:
        table.close()
        raise
    return table


def _discard(path: Path) -> None:
    for file in (path, path.with_name(f"{path.name}-journal")):
        file.unlink(missing_ok=True)
