"""Configurations that unfold to huge things end in one line, in little time and memory."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _helpers.bounded_reading import BoundedReading

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the peak memory of a part of a process"
)
_BAD_CONFIGURATION = 4
_DEEP = 100_000


def alias_bomb(levels: int = 9, width: int = 9) -> str:
    """Return YAML in which each list names the one before it nine times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        names = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} [{names}]")
    return "\n".join([*lines, f"training: {{milestones: *a{levels - 1}}}"])


def merge_bomb(levels: int = 30) -> str:
    """Return YAML in which each mapping merges the one before it twice."""
    lines = ["data: &m0 {frame_size: 64}"]
    for level in range(1, levels):
        lines.append(f"k{level}: &m{level} {{<<: [*m{level - 1}, *m{level - 1}]}}")
    return "\n".join(lines)


FILES = {
    "brackets.yaml": "[" * _DEEP,
    "braces.yaml": "data: " + "{a: " * _DEEP,
    "dashes.yaml": "data:\n  " + "- " * _DEEP + "1",
    "indented.yaml": "\n".join(" " * i + "a:" for i in range(2000)),
    "aliases.yaml": alias_bomb(),
    "value.yaml": alias_bomb().replace("training: {milestones", "data: {frame_size"),
    "merges.yaml": merge_bomb(),
    "itself.yaml": "data: &a {frame_size: *a}",
    "digits.yaml": f"data: {{frame_size: {'9' * _DEEP}}}",
    "sexagesimal.yaml": f"data: {{frame_size: 1{':1' * _DEEP}}}",
    "text.yaml": f"data: {{frame_size: {'x' * 10**6}}}",
    "key.yaml": f"{'x' * 10**5}: 1",
    "extends.yaml": f"extends: {'x' * 10**5}",
    "zeros.yaml": "\0" * 10**6,
}


@pytest.fixture(scope="module")
def bounded() -> Iterator[BoundedReading]:
    with BoundedReading() as reading:
        yield reading


@pytest.mark.parametrize("name", FILES)
def test_hostile_configurations_are_refused(
    bounded: BoundedReading, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(FILES[name])
    bounded.check("cpabmm_core.config:load_config", tmp_path / name, exit_code=_BAD_CONFIGURATION)


@pytest.mark.parametrize("name", FILES)
def test_hostile_overrides_are_refused(bounded: BoundedReading, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(f"training.seed={FILES[name]}")
    reader = "_helpers.whole_readers:apply_override"
    bounded.check(reader, tmp_path / name, exit_code=_BAD_CONFIGURATION)
