"""MkDocs hooks: add the generated reference pages to the site and adjust links."""

from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from reference_pages.commands import (
    Command,
    command_page,
    commands_index,
    commands_of,
    file_name,
    parameters_of,
)
from reference_pages.configuration import configuration_page
from reference_pages.doors import Name, door_page, doors_of, module_page
from reference_pages.exit_codes import exit_code_table
from reference_pages.layers import layers_of, layers_table
from reference_pages.links import relocate_links

from cpabmm_cli.app import app, configure
from cpabmm_core.config import Config, shipped_configs

ROOT = Path(__file__).parents[1]
PACKAGE = "cpabmm_core"
COPIED = {
    "development/contributing.md": "CONTRIBUTING.md",
    "development/changelog.md": "CHANGELOG.md",
    "development/security.md": "SECURITY.md",
}
"""Pages of the site that are files at the root of the repository."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace the names of generated parts in the navigation by their pages."""
    commands = [{command.name: _command_page(command)} for command in commands_of(app)]
    generated: dict[str, list[object]] = {
        "commands": [{"Overview": "reference/commands.md"}, *commands],
        "python": [{_short(page): page} for page in _python_pages()],
    }
    assert config.nav is not None
    config.nav = [_with_generated(item, generated) for item in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and those at the root of the repository."""
    pages = {
        "reference/commands.md": commands_index(list(commands_of(app)), parameters_of(configure)),
        "reference/configuration.md": configuration_page(Config, shipped_configs()),
        **_command_pages(),
        **_python_pages(),
        **{page: (ROOT / name).read_text(encoding="utf-8") for page, name in COPIED.items()},
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the generated tables and adjust links that leave the site."""
    for name, generate in _TABLES.items():
        marker = f"<!-- generated: {name} -->"
        if marker in markdown:
            markdown = markdown.replace(marker, generate())
    path = page.file.src_uri
    return relocate_links(
        markdown,
        origin=COPIED.get(path, f"docs/{path}"),
        page=path,
        blob_url=f"{config.repo_url}/blob/main",
    )


_TABLES: dict[str, Callable[[], str]] = {
    "exit-codes": exit_code_table,
    "layers": lambda: layers_table(ROOT, PACKAGE, layers_of(ROOT / "tests" / "test_imports.py")),
}


def _with_generated(item: object, generated: dict[str, list[object]]) -> object:
    if not isinstance(item, dict):
        return item
    ((title, content),) = item.items()
    if isinstance(content, list):
        return {title: [_with_generated(each, generated) for each in content]}
    return {title: generated.get(content.removeprefix("generated: "), content)}


def _command_pages() -> dict[str, str]:
    return {_command_page(command): command_page(command) for command in commands_of(app)}


def _command_page(command: Command) -> str:
    return f"reference/commands/{file_name(command)}"


def _python_pages() -> dict[str, str]:
    doors = doors_of(ROOT, PACKAGE)
    modules = [
        name.home
        for names in doors.values()
        for name in names
        if name.is_door and name.home not in doors
    ]
    pages = {}
    for door, names in doors.items():
        pages[_python_page(door)] = door_page(door, names, _documented_elsewhere(door, doors))
    for module in modules:
        pages[_python_page(module)] = module_page(module)
    front = _python_page(PACKAGE)
    order = sorted(pages, key=lambda page: (page != front, _short(page)))
    return {page: pages[page] for page in order}


def _documented_elsewhere(door: str, doors: dict[str, list[Name]]) -> dict[str, str]:
    """Return links to the pages of names that a deeper door also has, and of modules."""
    links = {}
    for other, names in doors.items():
        for name in names:
            if name.is_door:
                links[name.home] = Path(_python_page(name.home)).name
            elif other.count(".") > door.count("."):
                links.setdefault(name.home, f"{Path(_python_page(other)).name}#{name.home}")
    return links


def _short(page: str) -> str:
    """Return the title of a Python page in the navigation."""
    return Path(page).name.removesuffix(".md")


def _python_page(door: str) -> str:
    return f"reference/python/{door.removeprefix(f'{PACKAGE}.')}.md"
