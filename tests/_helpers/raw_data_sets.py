"""Preprocessing a small set of raw videos in tests."""

import json
from pathlib import Path
from typing import Any

from cpabmm_core.data.preprocess.raw.assemble import VideoSummary
from cpabmm_core.data.preprocess.raw.rules import rules_for
from cpabmm_core.data.preprocess.raw.settings import ClipSettings
from cpabmm_core.data.preprocess.raw.videos import preprocess_videos
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.metrics.extractors import Request
from cpabmm_core.progress import StatusCallback

RULES = rules_for("none", min_frames=6, max_frames=8, min_size=64)
WHOLE = ClipSettings("none", RULES, size=64, scenes="none", test_share=0.3)
NAMES = ("anna/one.mp4", "anna/two.mp4", "bert/one.mp4", "Ölaf ☃.mp4", "short.mp4")
SPANS = ("000000#000008", "000008#000016")
SUBSETS = ("train", "test")


def make(
    raw: Path,
    output: Path,
    how: ClipSettings = WHOLE,
    *,
    shard: Shard | None = None,
    workers: int = 1,
    request: Request | None = None,
    report: StatusCallback = lambda _: None,
) -> VideoSummary:
    """Preprocess raw videos with small default settings."""
    return preprocess_videos(
        raw, output, how, shard=shard, workers=workers, request=request, report=report
    )


def lines_of(output: Path) -> list[dict[str, Any]]:
    """Read the lines of the manifest."""
    text = (output / "manifest.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def contents(output: Path) -> dict[str, bytes]:
    """Return the files of the data set, without the working folder."""
    files = [path for path in output.rglob("*") if path.is_file()]
    kept = [path for path in files if "work" not in path.relative_to(output).parts]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in kept}
