"""Assembly of the data set from the records of all videos: split, manifest and contact sheet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cpabmm_core.data.preprocess.clip_writer import move_into_place
from cpabmm_core.data.preprocess.raw.contact_sheet import write_contact_sheet
from cpabmm_core.data.preprocess.raw.work_folder import SUBSETS, Record, WorkFolder, as_line
from cpabmm_core.data.split import hold_out
from cpabmm_core.errors import DataError
from cpabmm_core.files.locks import exclusive_lock
from cpabmm_core.files.output import atomic_path
from cpabmm_core.progress import StatusCallback

MANIFEST = "manifest.jsonl"
CONTACT_SHEET = "contact-sheet.png"
_SPLIT_SEED = 0


@dataclass(frozen=True)
class VideoSummary:
    """The result of preprocessing raw videos.

    Example:
        >>> from cpabmm_core.data.preprocess import VideoSummary
        >>> summary = VideoSummary(
        ...     videos=3, unreadable=0, waiting=0, clips=5, identities=2, seconds=20.0,
        ...     dropped={"too small": 1},
        ... )
        >>> summary.as_dict()["clips"]
        5
    """

    videos: int
    """The number of videos that were processed."""
    unreadable: int
    """The number of processed videos that cannot be read."""
    waiting: int
    """The number of videos not processed yet. Unless it is 0, the data set is incomplete."""
    clips: int
    identities: int
    seconds: float
    """The total duration of all clips."""
    dropped: Mapping[str, int]
    """The number of dropped stretches, by reason."""

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as values that JSON can store."""
        return asdict(self)


def summarise(records: Sequence[Record], *, waiting: int) -> VideoSummary:
    """Summarise the records of all videos."""
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


def assemble(work: WorkFolder, settings: Mapping[str, Any], report: StatusCallback) -> None:
    """Move each clip into its set, and write the manifest and the contact sheet.

    The function may be called again after it was killed, or with more videos. If an identity then
    belongs to the other set, its clips are moved. Shards that end at the same time take turns.

    Args:
        work: working folder with the records.
        settings: description of the settings, for the first line of the manifest.
        report: called with one line if the disk does not support locks.

    Raises:
        DataError: a clip is missing.
        MediaError: a file cannot be written.
        ResourceError: the disk is full.
    """
    lock = exclusive_lock(work.output / "work" / "gather.lock", work.output, report, busy=None)
    with lock:
        records = work.read_records()
        with_clips = {record["identity"] for record in records if record.get("clips")}
        # With "#" these are the names of `data.identities`, so the split equals that of training.
        marked = hold_out((f"{name}#" for name in with_clips), settings["test_share"], _SPLIT_SEED)
        held = {name.removesuffix("#") for name in marked}
        lines = [as_line({"settings": settings})]
        thumbnails: list[tuple[str, Path]] = []
        for record in records:
            subset = SUBSETS[record.get("identity") in held]
            for clip in record.get("clips", []):
                _move_clip(work, clip["name"], subset)
                thumbnails.append((clip["name"], work.thumbnail_path(clip["name"])))
            lines.extend(as_line(line) for line in _manifest_lines(work, record, subset))
        if thumbnails:
            write_contact_sheet(work.output / CONTACT_SHEET, thumbnails)
        with atomic_path(work.output / MANIFEST, force=True) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")


def _move_clip(work: WorkFolder, name: str, subset: str) -> None:
    target, current = work.clip_path(name, subset), work.find_clip(name)
    if current is None:
        raise DataError(f"{target}: is missing; run again to cut it again")
    if current != target:
        target.parent.mkdir(exist_ok=True)
        move_into_place(current, target)


def _manifest_lines(work: WorkFolder, record: Record, subset: str) -> list[dict[str, Any]]:
    """Return the lines of the manifest for a video: one for each clip and dropped stretch."""
    if "error" in record:
        return [{"source": record["source"], "error": record["error"]}]
    video = {name: record[name] for name in ("source", "sha256", "identity")}
    stretches = []
    for clip in record["clips"]:
        facts = {name: value for name, value in clip.items() if name != "name"}
        path = work.clip_path(clip["name"], subset).relative_to(work.output)
        stretches.append({**video, **facts, "clip": path.as_posix(), "dropped": None})
    for each in record["dropped"]:
        facts = {name: value for name, value in each.items() if name != "reason"}
        stretches.append({**video, **facts, "clip": None, "dropped": each["reason"]})
    return sorted(stretches, key=lambda line: (line["start"], line["end"], line["box"] or []))
