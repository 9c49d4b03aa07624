"""What has been done so far, one file for each video, so that a killed run goes on.

In the data set's folder, ``work`` holds ``settings.json``, a record of each video that is done in
``records``, clips that have no side yet in ``clips``, and small pictures of them in ``pictures``.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from cpabmm_core.data.clip_set import StatusCallback
from cpabmm_core.data.preprocess.clip_writer import ClipFormat, clip_path
from cpabmm_core.data.preprocess.lock import lock_folder
from cpabmm_core.data.preprocess.raw.sources import Source
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import DataError, OutputExistsError
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.files.output import atomic_path, check_output_folder

Record = dict[str, Any]
SIDES = ("train", "test")


class WorkFolder:
    """The records of a data set and the places of its clips."""

    def __init__(self, output: Path, file_format: ClipFormat) -> None:
        self.output = output
        self.file_format: ClipFormat = file_format
        self._work = output / "work"
        self.clips = self._work / "clips"
        self.pictures = self._work / "pictures"
        self._records = self._work / "records"

    def begin(self, settings: Mapping[str, Any], source: Path) -> None:
        """Make the folder, or go on in one that was begun with the same settings.

        Args:
            settings: as a JSON document.
            source: what is read, which must not be the same folder.

        Raises:
            OutputExistsError: the folder holds something else, or was begun with other settings.
            MediaError: it cannot be written.
        """
        file = self._work / "settings.json"
        check_output_folder(self.output, force=file.exists(), inputs=[source])
        try:
            for folder in (self._records, self.clips, self.pictures):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.output, error) from None
        if file.exists():
            self._check_settings(_read(file), settings)
        else:
            _write(file, settings)

    def _check_settings(self, before: Record, now: Mapping[str, Any]) -> None:
        for name in sorted({*before, *now}):
            was, wanted = before.get(name), now.get(name)
            if was != wanted:
                raise OutputExistsError(
                    f"{self.output}: was begun with {name} {json.dumps(was)}, not "
                    f"{json.dumps(wanted)}; give the same settings, or another folder"
                )

    def lock(self, shard: Shard, report: StatusCallback) -> AbstractContextManager[None]:
        """A context that keeps other runs on the same shard out.

        Raises:
            OutputExistsError: another run is there.
        """
        return lock_folder(
            self.output, self._work / f"{shard.number}-of-{shard.total}.lock", report
        )

    def is_done(self, source: Source) -> bool:
        """Whether the video's clips are there, and it is still the one that they were cut from."""
        record = self.record(source)
        if record is None or "error" in record:
            return False
        if any(self.find(clip["name"]) is None for clip in record["clips"]):
            return False
        try:
            stat = source.path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (record["bytes"], record["modified_ns"]):
                return True
            same: bool = file_sha256(source.path) == record["sha256"]
        except OSError:
            return False
        return same

    def record(self, source: Source) -> Record | None:
        """What is known of a video; None if nothing is."""
        file = self._records / f"{source.key}.json"
        return _read(file) if file.exists() else None

    def records(self) -> list[Record]:
        """All records, sorted by the name of the video."""
        # A run that was killed may have left a hidden one that it was writing.
        found = [_read(file) for file in self._records.glob("[!.]*.json")]
        return sorted(found, key=lambda record: str(record["source"]))

    def write_record(self, source: Source, record: Record) -> None:
        """Set down what became of a video; it then counts as done."""
        _write(self._records / f"{source.key}.json", {"source": source.name, **record})

    @contextmanager
    def unfinished(self, source: Source) -> Iterator[Path]:
        """An empty folder for clips of a video that are being written; removed at the end."""
        folder = self._work / "unfinished" / source.key
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def forget(self, source: Source) -> None:
        """Remove the clips and the record of a video, before it is done anew."""
        record = self.record(source)
        for clip in (record or {}).get("clips", []):
            found = self.find(clip["name"])
            if found is not None and found.is_dir():
                shutil.rmtree(found)
            elif found is not None:
                found.unlink()
        (self._records / f"{source.key}.json").unlink(missing_ok=True)

    def place(self, name: str, side: str) -> Path:
        """Where the clip of this name lies once it has a side."""
        return clip_path(self.output / side, name, self.file_format)

    def picture(self, name: str) -> Path:
        """Where the small picture of the clip lies."""
        return self.pictures / f"{name}.png"

    def find(self, name: str) -> Path | None:
        """Where the clip of this name lies now, if anywhere."""
        places = [clip_path(self.clips, name, self.file_format)]
        places += [self.place(name, side) for side in SIDES]
        return next((path for path in places if path.exists()), None)


def _read(file: Path) -> Record:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); remove it and start again") from None
    assert isinstance(document, dict)
    return document


def _write(file: Path, document: Mapping[str, Any]) -> None:
    with atomic_path(file, force=True) as temporary:
        temporary.write_text(as_line(document), encoding="utf-8")


def as_line(document: Mapping[str, Any]) -> str:
    """A JSON document on one line, its end included."""
    return json.dumps(document, allow_nan=False) + "\n"
