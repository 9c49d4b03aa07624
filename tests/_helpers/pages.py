"""The code blocks of README and the documentation.

Every Python and shell block runs, in the order of the page, in one folder that holds a link to
``examples``. Two comments in the page change this:

    <!-- test: skip REASON -->        above a block: it does not run, and the reason says why
    <!-- test: setup                  anywhere: shell commands for what a reader is assumed to have
    cp examples/source.png mine.png
    -->
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SKIP = re.compile(r"<!-- test: skip (?P<reason>.+?) -->\s*\Z", re.DOTALL)
_PART = re.compile(
    r"<!-- test: setup\n(?P<setup>.*?)-->"
    r"|^(?P<indent> *)```(?P<language>[a-z]*)[^\n]*\n(?P<code>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)
SHELL = ("bash", "sh", "shell", "console")


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    page: Path
    line: int
    language: str
    """``python`` or ``shell``."""
    code: str
    skipped: str | None
    """The reason why it does not run; None if it runs."""
    setup: bool = False
    """Whether readers do not see it."""


def pages() -> list[Path]:
    """Return README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the Python and shell blocks of a page."""
    text, before = page.read_text(encoding="utf-8"), 0
    for part in _PART.finditer(text):
        line = text.count("\n", 0, part.start()) + 1
        reason = _SKIP.search(text[before : part.start()])
        before = part.end()
        if part["setup"] is not None:
            yield Block(page, line, "shell", part["setup"], None, setup=True)
            continue
        language = "shell" if part["language"] in SHELL else part["language"]
        if language not in ("python", "shell"):
            continue
        indent = len(part["indent"])
        code = "".join(each[indent:] for each in part["code"].splitlines(keepends=True))
        skipped = " ".join(reason["reason"].split()) if reason else None
        yield Block(page, line, language, code, skipped)
