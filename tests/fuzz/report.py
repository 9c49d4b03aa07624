"""The table that a fuzz run prints."""

import json
from collections.abc import Sequence
from pathlib import Path

from fuzz.driver import Summary

_COLUMNS = ("seconds", "inputs", "per s", "outcomes", "edges", "findings")


def describe(summaries: Sequence[Summary], out: Path) -> str:
    """Return a table with a line per target, then a paragraph per finding.

    Args:
        summaries: what the runs did.
        out: folder of the results.
    """
    lines = [f"{'target':15}" + "".join(f"{name:>10}" for name in _COLUMNS)]
    for each in summaries:
        rate = each.executions / max(each.seconds, 1)
        numbers = (len(each.outcomes), each.edges, len(each.findings))
        lines.append(
            f"{each.target:15}{each.seconds:10.0f}{each.executions:10}{rate:10.1f}"
            + "".join(f"{number:10}" for number in numbers)
        )
    for each in summaries:
        folder = out if (out / "findings").is_dir() else out / each.target
        for name, count in each.findings.most_common():
            lines += ["", *_finding(folder / "findings" / name, count)]
    return "\n".join(lines).encode("ascii", "backslashreplace").decode() + "\n"


def _finding(folder: Path, count: int) -> list[str]:
    values = json.loads((folder / "finding.json").read_text())
    inputs = sorted(folder.glob("minimal*")) or sorted(folder.glob("input*"))
    lines = values["trace"].strip().splitlines()
    last = lines[:1] if values["kind"] in ("message", "class") else lines[-1:]
    return [
        f"{values['kind']} x {count} in {values['reader']}, {values['place']}",
        f"  {' '.join(values['detail'].split())[:240]}",
        *(f"  {line[:200]}" for line in last),
        *(f"  {path} ({path.stat().st_size} bytes)" for path in inputs[:1]),
    ]
