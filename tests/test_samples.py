"""Samples in the documentation and in `examples` import from public doors only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from _helpers.doors import CORE, ROOT, doors
from _helpers.pages import blocks, pages

DEVELOPMENT = {
    "draw_keypoints.py",
    "draw_warps.py",
    "render_panel.py",
    "train_puppet_extractor.py",
}
"""Scripts that look inside training; nobody builds on them."""
EXAMPLES = sorted(
    set((ROOT / "examples").glob("*.py")) - {ROOT / "examples" / n for n in DEVELOPMENT}
)
WITH_PYTHON = [page for page in pages() if any(each.language == "python" for each in blocks(page))]


def private_imports(code: str) -> Iterator[str]:
    """Yield the imports of a sample that no door offers."""
    public = doors()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name for name in names if name.startswith(CORE) and name not in public)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(CORE):
            offered = public.get(node.module or "", [])
            yield from (
                f"{node.module}.{each.name}" for each in node.names if each.name not in offered
            )


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", WITH_PYTHON, ids=relative)
def test_pages_import_from_doors(page: Path) -> None:
    code = [each.code for each in blocks(page) if each.language == "python"]
    assert [name for each in code for name in private_imports(each)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=relative)
def test_examples_import_from_doors(example: Path) -> None:
    assert list(private_imports(example.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("line", "private"),
    [
        ("import cpabmm_core as cpabmm", []),
        ("from cpabmm_core.cpab import fit", []),
        ("from cpabmm_core.cpab.fitting import fit", ["cpabmm_core.cpab.fitting.fit"]),
        ("from cpabmm_core.cpab import secret", ["cpabmm_core.cpab.secret"]),
        ("import cpabmm_core.cpab.space", ["cpabmm_core.cpab.space"]),
    ],
)
def test_private_imports_are_found(line: str, private: list[str]) -> None:
    assert list(private_imports(line)) == private
