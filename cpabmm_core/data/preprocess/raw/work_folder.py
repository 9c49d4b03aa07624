"""The working folder, from which a killed run can be resumed.

The sub-folder ``work`` of a data set contains ``settings.json``, one record per processed video in
``records``, clips that are not yet split in ``clips``, and thumbnails in ``pictures``.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from cpabmm_core.data.preprocess.clip_writer import ClipFormat, clip_path
from cpabmm_core.data.preprocess.lock import lock_folder
from cpabmm_core.data.preprocess.raw.sources import Source
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import DataError, OutputExistsError
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.files.output import atomic_path, check_output_folder
from cpabmm_core.progress import StatusCallback

Record = dict[str, Any]
SUBSETS = ("train", "test")


class WorkFolder:
    """The records of a data set and the paths of its clips."""

    def __init__(self, output: Path, file_format: ClipFormat) -> None:
        self.output = output
        self.file_format: ClipFormat = file_format
        self._work = output / "work"
        self.clips = self._work / "clips"
        self.pictures = self._work / "pictures"
        self._records = self._work / "records"

    def begin(self, settings: Mapping[str, Any], source: Path) -> None:
        """Create the folder, or continue in one that was begun with the same settings.

        Args:
            settings: description of the settings.
            source: the input, which must differ from the folder.

        Raises:
            OutputExistsError: the folder contains something else, or was begun with other settings.
            MediaError: the folder cannot be written.
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
                    f"{json.dumps(wanted)}; use the same settings, or choose another folder"
                )

    def lock(self, shard: Shard, report: StatusCallback) -> AbstractContextManager[None]:
        """Keep other runs of the same shard out of the folder, as `lock_folder` does.

        Raises:
            OutputExistsError: another run of the shard is active.
        """
        return lock_folder(
            self.output, self._work / f"{shard.number}-of-{shard.total}.lock", report
        )

    def is_done(self, source: Source) -> bool:
        """Return whether the clips of a video exist and the video has not changed since."""
        record = self.read_record(source)
        if record is None or "error" in record:
            return False
        if any(self.find_clip(clip["name"]) is None for clip in record["clips"]):
            return False
        try:
            stat = source.path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (record["bytes"], record["modified_ns"]):
                return True
            same: bool = file_sha256(source.path) == record["sha256"]
        except OSError:
            return False
        return same

    def read_record(self, source: Source) -> Record | None:
        """Return the record of a video, or None if it has none."""
        file = self._records / f"{source.key}.json"
        return _read(file) if file.exists() else None

    def read_records(self) -> list[Record]:
        """Return all records, sorted by the name of the video."""
        # A killed run may leave hidden temporary files.
        found = [_read(file) for file in self._records.glob("[!.]*.json")]
        return sorted(found, key=lambda record: str(record["source"]))

    def write_record(self, source: Source, record: Record) -> None:
        """Write the record of a video, which marks the video as done."""
        _write(self._records / f"{source.key}.json", {"source": source.name, **record})

    @contextmanager
    def temporary_folder(self, source: Source) -> Iterator[Path]:
        """Create an empty folder for the clips that are being written; remove it at the end."""
        folder = self._work / "unfinished" / source.key
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove_results(self, source: Source) -> None:
        """Remove the clips and the record of a video, before it is processed again."""
        record = self.read_record(source)
        for clip in (record or {}).get("clips", []):
            found = self.find_clip(clip["name"])
            if found is not None and found.is_dir():
                shutil.rmtree(found)
            elif found is not None:
                found.unlink()
        (self._records / f"{source.key}.json").unlink(missing_ok=True)

    def clip_path(self, name: str, subset: str) -> Path:
        """Return the path of a clip in ``train`` or ``test``."""
        return clip_path(self.output / subset, name, self.file_format)

    def thumbnail_path(self, name: str) -> Path:
        """Return the path of the thumbnail of a clip."""
        return self.pictures / f"{name}.png"

    def find_clip(self, name: str) -> Path | None:
        """Return the current path of a clip, or None if it does not exist."""
        paths = [clip_path(self.clips, name, self.file_format)]
        paths += [self.clip_path(name, subset) for subset in SUBSETS]
        return next((path for path in paths if path.exists()), None)


def _read(file: Path) -> Record:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); delete it and run again") from None
    assert isinstance(document, dict)
    return document


def _write(file: Path, document: Mapping[str, Any]) -> None:
    with atomic_path(file, force=True) as temporary:
        temporary.write_text(as_line(document), encoding="utf-8")


def as_line(document: Mapping[str, Any]) -> str:
    """Format a JSON document as one line, including the line break."""
    return json.dumps(document, allow_nan=False) + "\n"
