"""The table that a fuzz run prints."""

import json
from collections.abc import Sequence
from pathlib import Path

from fuzz.driver import Summary

_HEAD = f"{'target':15} {'seconds':>8} {'inputs':>9} {'per s':>7} {'outcomes':>8} {'edges':>7} {'findings':>8}"


def describe(summaries: Sequence[Summary], out: Path) -> str:
    """Return a table with a line per target, then a paragraph per finding.

    Args:
        summaries: what the runs did.
        out: folder of the results.
    """
    lines = [_HEAD]
    for each in summaries:
        lines.append(
            f"{each.target:15} {each.seconds:8.0f} {each.executions:9} "
            f"{each.executions / max(each.seconds, 1):7.1f} {len(each.outcomes):8} {each.edges:7} "
            f"{len(each.findings):8}"
        )
    for each in summaries:
        folder = out if (out / "findings").is_dir() else out / each.target
        for name, count in each.findings.most_common():
            lines += ["", *_finding(folder / "findings" / name, count)]
    return "\n".join(lines) + "\n"


def _finding(folder: Path, count: int) -> list[str]:
    values = json.loads((folder / "finding.json").read_text())
    inputs = sorted(folder.glob("minimal*")) or sorted(folder.glob("input*"))
    last = values["trace"].strip().splitlines()[-1:]
    return [
        f"{values['kind']} x {count} in {values['reader']}, {values['place']}",
        f"  {' '.join(values['detail'].split())[:240]}",
        *(f"  {line[:200]}" for line in last if values["kind"] not in ("message", "class")),
        *(f"  {path} ({path.stat().st_size} bytes)" for path in inputs[:1]),
    ]
