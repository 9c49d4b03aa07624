"""From the records of all videos to a data set: sides, manifest, contact sheet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from cpabmm_core.data.preprocess.clip_writer import move_into_place
from cpabmm_core.data.preprocess.raw.contact_sheet import write_contact_sheet
from cpabmm_core.data.preprocess.raw.work_folder import SIDES, Record, WorkFolder, as_line
from cpabmm_core.data.split import hold_out
from cpabmm_core.errors import DataError
from cpabmm_core.files.output import atomic_path

MANIFEST = "manifest.jsonl"
CONTACT_SHEET = "contact-sheet.png"
_SPLIT_SEED = 0


@dataclass(frozen=True)
class VideoSummary:
    """What came of raw videos."""

    videos: int
    """How many there are records of."""
    unreadable: int
    """Of these, how many cannot be read."""
    waiting: int
    """Videos without a record, which other shards work on; the data set is not whole yet."""
    clips: int
    identities: int
    seconds: float
    """How long all clips are together."""
    dropped: Mapping[str, int]
    """How many stretches are no clips, by reason."""

    def as_dict(self) -> dict[str, Any]:
        """What a JSON document says of it."""
        return asdict(self)


def summarise(records: Sequence[Record], *, waiting: int) -> VideoSummary:
    """Count what the records hold."""
    good = [record for record in records if "error" not in record]
    clips = [clip for record in good for clip in record["clips"]]
    reasons = Counter(each["reason"] for record in good for each in record["dropped"])
    return VideoSummary(
        videos=len(records),
        unreadable=len(records) - len(good),
        waiting=waiting,
        clips=len(clips),
        identities=len({record["identity"] for record in good if record["clips"]}),
        seconds=round(sum(clip["end_seconds"] - clip["start_seconds"] for clip in clips), 3),
        dropped=dict(sorted(reasons.items())),
    )


def assemble(work: WorkFolder, settings: Mapping[str, Any]) -> None:
    """Give each clip its side, and write the manifest and the contact sheet.

    May be repeated, be it after it was killed half way, or with more videos: then clips of an
    identity that changes sides move across. Shards that end together take turns.

    Args:
        work: holds the records.
        settings: as a JSON document, first line of the manifest.

    Raises:
        DataError: a clip is gone.
        MediaError: something cannot be written.
        ResourceError: the disk is full.
    """
    with FileLock(work.output / "work" / "gather.lock", fallback_to_soft=False):
        records = work.records()
        with_clips = {record["identity"] for record in records if record.get("clips")}
        # As `train` would split the clips of one folder, which it tells apart by name and mark.
        marked = hold_out((f"{name}#" for name in with_clips), settings["test_share"], _SPLIT_SEED)
        held = {name.removesuffix("#") for name in marked}
        lines = [as_line({"settings": settings})]
        pictures: list[tuple[str, Path]] = []
        for record in records:
            side = SIDES[record.get("identity") in held]
            for clip in record.get("clips", []):
                _settle(work, clip["name"], side)
                pictures.append((clip["name"], work.picture(clip["name"])))
            lines.extend(as_line(line) for line in _lines(work, record, side))
        if pictures:
            write_contact_sheet(work.output / CONTACT_SHEET, pictures)
        with atomic_path(work.output / MANIFEST, force=True) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")


def _settle(work: WorkFolder, name: str, side: str) -> None:
    target, now = work.place(name, side), work.find(name)
    if now is None:
        raise DataError(f"{target}: is gone; start again to cut it once more")
    if now != target:
        target.parent.mkdir(exist_ok=True)
        move_into_place(now, target)


def _lines(work: WorkFolder, record: Record, side: str) -> list[dict[str, Any]]:
    """What the manifest says of a video: a line for each clip, made or dropped."""
    if "error" in record:
        return [{"source": record["source"], "error": record["error"]}]
    video = {name: record[name] for name in ("source", "sha256", "identity")}
    stretches = []
    for clip in record["clips"]:
        facts = {name: value for name, value in clip.items() if name != "name"}
        path = work.place(clip["name"], side).relative_to(work.output)
        stretches.append({**video, **facts, "clip": path.as_posix(), "dropped": None})
    for each in record["dropped"]:
        facts = {name: value for name, value in each.items() if name != "reason"}
        stretches.append({**video, **facts, "clip": None, "dropped": each["reason"]})
    return sorted(stretches, key=lambda line: (line["start"], line["end"], line["box"] or []))
