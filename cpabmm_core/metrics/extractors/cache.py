"""Disk cache of extractor results, keyed by the content of frames."""

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
"""The number is the version of the table layout."""
_IN_MEMORY = ":memory:"
_MAX_BYTES = 1_000_000_000
_DROPPED_SHARE = 0.1
"""Share of the entries that is dropped, oldest first, when the file is full."""
_TIMEOUT_SECONDS = 60.0
_CONSEQUENCE = "results are computed again"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS found "
    "(id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, shape TEXT NOT NULL, value BLOB NOT NULL)"
)

Extract = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


class FrameCache:
    """Run an extractor only on frames whose content it has not seen before.

    The key of an entry is the extractor (name, version, weights, options), the kind of result, and
    the pixels of the frame. An entry takes 8 bytes per number and about 60 more. At `max_bytes` the
    oldest entries are dropped. Several processes may use one folder. A damaged file is discarded.
    If the folder is unusable, results are kept in memory, up to the same size.

    Args:
        folder: folder of the cache file, created if missing; None keeps results in memory.
        announce: receives a status message if the file is damaged or unusable.
        max_bytes: size of the file at which old entries are dropped.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.metrics.extractors import ExtractorInfo, FrameCache
        >>> info = ExtractorInfo("mean", "1", weights="", cost="none")
        >>> calls = []
        >>> def mean(frames):
        ...     calls.append(len(frames))
        ...     return frames.mean(axis=(1, 2))
        >>> cached = FrameCache(None).wrap(info, "embeddings", mean)
        >>> frames = np.zeros((2, 4, 4, 3), np.uint8)
        >>> cached(frames).shape, cached(frames).shape, calls
        ((2, 3), (2, 3), [1])
    """

    def __init__(
        self,
        folder: Path | None,
        announce: Callable[[str], None] = lambda _: None,
        *,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self._path = None if folder is None else folder / _FILE
        self._announce = announce
        self._max_bytes = max_bytes

    @cached_property
    def _table(self) -> sqlite3.Connection:
        return _in_memory() if self._path is None else self._open(self._path)

    def compute(
        self,
        info: ExtractorInfo,
        kind: str,
        frames: NDArray[np.uint8],  # (F, H, W, 3)
        extract: Extract,
    ) -> NDArray[np.float64]:  # (F, ...)
        """Return the results of an extractor, from the cache where possible.

        Args:
            info: the extractor.
            kind: the kind of result, ``keypoints`` or ``embeddings``.
            frames: frames of one size.
            extract: computes the results of the frames missing from the cache, one or more.
        """
        keys = [_key(info, kind, frame) for frame in frames]
        cached = self._read(keys)
        missing = {key: n for n, key in enumerate(keys) if key not in cached}
        if missing:
            results = extract(frames[sorted(missing.values())])
            new = dict(zip(sorted(missing, key=missing.__getitem__), results, strict=True))
            self._write(new)
            cached |= new
        return np.stack([cached[key] for key in keys])

    def wrap(self, info: ExtractorInfo, kind: str, extract: Extract) -> Extract:
        """Return `extract` with this cache in front; see `compute`."""
        return lambda frames: self.compute(info, kind, frames, extract)

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

    def _write(self, results: dict[bytes, NDArray[np.float64]]) -> None:
        rows = [
            (key, json.dumps(value.shape), np.asarray(value, np.float64).tobytes())
            for key, value in results.items()
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
        if (pages - free) * size > self._max_bytes:  # freed pages are reused
            some = "SELECT CAST(1 + ? * COUNT(*) AS INTEGER) FROM found"
            oldest = f"SELECT id FROM found ORDER BY id LIMIT ({some})"
            self._table.execute(f"DELETE FROM found WHERE id IN ({oldest})", (_DROPPED_SHARE,))

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _lock(path):
                return self._open_whole(path)
        except (OSError, sqlite3.Error) as error:
            self._announce(f"{path}: the cache is unusable ({error}); results are kept in memory")
            return _in_memory()

    def _open_whole(self, path: Path) -> sqlite3.Connection:
        try:
            return _connect(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            self._announce(f"{path}: was damaged ({error}) and is discarded; {_CONSEQUENCE}")
            _discard(path)
            return _connect(path)

    def _give_up(self, error: Exception) -> None:
        """Continue in memory, and discard a damaged file, so that the next run starts a new one."""
        with suppress(sqlite3.Error):
            self._table.close()
        damaged = not isinstance(error, sqlite3.OperationalError)
        if self._path is not None:
            trouble = f"was damaged ({error}) and is discarded" if damaged else f"fails ({error})"
            self._announce(f"{self._path}: {trouble}; {_CONSEQUENCE}")
            if damaged:
                with suppress(OSError), _lock(self._path):
                    _discard(self._path)
        self._path, self._table = None, _in_memory()


def _key(
    info: ExtractorInfo,
    kind: str,
    frame: NDArray[np.uint8],  # (H, W, 3)
) -> bytes:
    head = [info.name, info.version, info.weights, sorted(info.options.items()), kind, frame.shape]
    digest = hashlib.blake2b(json.dumps(head).encode(), digest_size=24)
    digest.update(np.ascontiguousarray(frame).data)
    return digest.digest()


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"), timeout=_TIMEOUT_SECONDS)


def _in_memory() -> sqlite3.Connection:
    return _prepare(sqlite3.connect(_IN_MEMORY))


def _connect(path: Path) -> sqlite3.Connection:
    return _prepare(sqlite3.connect(path, timeout=_TIMEOUT_SECONDS))


def _prepare(table: sqlite3.Connection) -> sqlite3.Connection:
    try:
        table.execute("PRAGMA synchronous = OFF")  # losing the cache in a crash is acceptable
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
