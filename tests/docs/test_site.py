"""The documentation site as a whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cpabmm_core.config import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LONGEST_LINE = 120
_PATH = re.compile(r"`((?:cpabmm_core|cpabmm_cli|tests|docs|examples|\.ci|\.github)/[\w./-]+)`")
_LOADED = re.compile(r"<(?:script|img|iframe|source|video)\b[^>]*?\bsrc=\"?(\w+:)?//[^\s>]+")
_STYLES = re.compile(
    r"<link\b(?=[^>]*\brel=\"?(?:stylesheet|preconnect|icon))[^>]*\bhref=\"?https?:"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    pytest.importorskip("material", reason="needs the extra docs")
    pytest.importorskip("mkdocstrings", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_pages_load_nothing_from_other_sites(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert not _LOADED.search(html), page
        assert not _STYLES.search(html), page


@pytest.mark.slow
def test_every_public_name_has_an_entry_in_the_python_reference(site: Path) -> None:
    from reference_pages.doors import doors_of

    html = "".join(
        page.read_text(encoding="utf-8")
        for page in (site / "reference" / "python").rglob("index.html")
    )
    for names in doors_of(ROOT, "cpabmm_core").values():
        for name in names:
            assert name.is_door or f'id="{name.home}"' in html or f"id={name.home}" in html


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_the_documentation_names_exist(page: Path) -> None:
    named = _PATH.findall(page.read_text(encoding="utf-8"))
    paths = [name for name in named if not Path(name).stem.startswith(("mine", "bench_*"))]
    assert [name for name in paths if not (ROOT / name).exists()] == []


def configurations() -> list[str]:
    """Return the configuration files that the documentation shows."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        found += [block for block in blocks if block.startswith("extends:")]
    return found


def test_the_configurations_of_the_documentation_are_valid(tmp_path: Path) -> None:
    shown = configurations()
    assert shown
    for text in shown:
        path = tmp_path / "shown.yaml"
        path.write_text(text, encoding="utf-8")
        load_config(path)


@pytest.mark.parametrize("page", ["README", "CONTRIBUTING", "CHANGELOG", "SECURITY"])
def test_links_from_the_root_of_the_repository_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / f"{page}.md").read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_fit_beside_code(page: Path) -> None:
    fenced, long = False, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fenced ^= line.startswith("```")
        is_exempt = fenced or line.startswith(("|", "```")) or re.search(r"\]\(|https?://", line)
        if len(line) > LONGEST_LINE and not is_exempt:
            long.append(number)
    assert long == []


def test_the_citation_has_the_version_of_the_package() -> None:
    import tomllib

    import yaml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"]


def test_the_changelog_has_a_place_for_the_next_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert len(headings) == len(set(headings))
