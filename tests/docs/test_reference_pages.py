"""The generated reference pages, compared with the running program."""

import importlib
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import typer.rich_utils
import yaml
from reference_pages.commands import Command, command_page, commands_index, commands_of
from reference_pages.commands import parameters_of as parameters_of_command
from reference_pages.configuration import configuration_page
from reference_pages.doors import door_page, doors_of
from reference_pages.exit_codes import exit_code_table
from reference_pages.layers import layers_of, layers_table
from reference_pages.links import relocate_links
from reference_pages.tables import table
from typer.testing import CliRunner

import cpabmm_core
from cpabmm_cli.app import app, configure
from cpabmm_core.config import Config, dump_config, shipped_configs

ROOT = Path(__file__).parents[2]
COMMANDS = list(commands_of(app))
DOORS = doors_of(ROOT, "cpabmm_core")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def printed_help(*arguments: str) -> str:
    environment = {"NO_COLOR": "1", "TERM": "dumb"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.rich_utils, "MAX_WIDTH", 400)  # read from the environment only once
        result = CliRunner().invoke(app, [*arguments, "--help"], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def options_of_table(markdown: str) -> set[str]:
    """Return the options in the first column of the page's tables."""
    cells = re.findall(r"^\| (`-.*?) \|", markdown, re.MULTILINE)
    return {name for cell in cells for name in OPTION.findall(cell)}


def options_of_help(text: str) -> set[str]:
    """Return the options that start a line of the printed help."""
    lines = [line.strip("│* ") for line in text.splitlines()]
    starts = [re.split(r"\s{2,}(?![\s-])", line)[0] for line in lines if line.startswith("-")]
    return {name for start in starts for name in OPTION.findall(start)} - {"--help"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_page_of_a_command_lists_the_options_of_its_help(command: Command) -> None:
    expected = options_of_help(printed_help(*command.name.split()))
    assert options_of_table(command_page(command)) == expected


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_page_of_a_command_has_the_texts_of_its_help(command: Command) -> None:
    page, words = command_page(command), printed_help(*command.name.split()).split()
    shown = " ".join(word for word in words if word != "│")
    for parameter in command.parameters:
        assert " ".join(parameter.help.removesuffix(".").split()) in shown
        assert parameter.help.split("|", maxsplit=1)[0] in page


def test_the_index_lists_every_command_once() -> None:
    index = commands_index(COMMANDS, parameters_of_command(configure))
    names = {f"{line.split()[1]}" for line in printed_help().splitlines() if line.startswith("│ ")}
    for command in COMMANDS:
        assert index.count(f"`cpabmm {command.name}`") == 1
        assert command.name.split()[0] in names
    assert {"--quiet", "--debug", "--version"} <= options_of_table(index)


def leaves(values: dict[str, Any], path: str = "") -> dict[str, list[str]]:
    """Return the keys of each section of a configuration."""
    found = {path: list(values)} if path else {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{path}.{key}" if path else key)
    return found


def test_the_configuration_page_lists_every_key_under_its_section() -> None:
    page = configuration_page(Config, shipped_configs())
    sections = dict(re.findall(r"^## (\S+) \{.*?\}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL))
    for section, keys in leaves(yaml.safe_load(dump_config(Config()))).items():
        assert re.findall(r"^\| `(\w+)` \|", sections[section], re.MULTILINE) == keys


def test_the_configuration_page_shows_types_defaults_and_descriptions() -> None:
    page = configuration_page(Config, shipped_configs())
    row = next(line for line in page.splitlines() if line.startswith("| `on_error`"))
    _, _, kind, default, meaning, _ = (cell.strip() for cell in row.split("|"))
    assert (kind, default) == ("`skip` or `refuse`", "`skip`")
    assert "skip" in meaning
    assert "| `frame_size` | integer > 0, ≤ 16384 | `256` |" in page
    assert all(f"`{name}`" in page for name in shipped_configs())
    assert ">>>" not in page  # the examples of the docstrings are for the Python reference


@pytest.mark.parametrize("door", DOORS)
def test_the_page_of_a_door_lists_its_public_names(door: str) -> None:
    listed = re.findall(r"^\| \[`(\w+)`\]", door_page(door, DOORS[door], {}), re.MULTILINE)
    public = set(importlib.import_module(door).__all__)
    assert sorted(listed) == sorted(public - {"__version__"})


@pytest.mark.parametrize("door", DOORS)
def test_the_names_of_a_door_are_found_where_they_are_defined(door: str) -> None:
    for name in DOORS[door]:
        public = getattr(importlib.import_module(door), name.name)
        if name.is_door:
            assert importlib.import_module(name.home) is public
        else:
            module, _, defined = name.home.rpartition(".")
            assert getattr(importlib.import_module(module), defined) is public


def test_summaries_are_found_through_packages_that_only_pass_a_name_on() -> None:
    names = {name.name: name for name in DOORS["cpabmm_core.media"]}
    documented = cpabmm_core.media.VideoReader.__doc__ or ""
    assert names["VideoReader"].summary == documented.partition("\n\n")[0] != ""


def test_the_front_door_shows_the_summaries_of_docstrings() -> None:
    names = {name.name: name for name in DOORS["cpabmm_core"]}
    documented = cpabmm_core.Animator.__doc__ or ""
    assert names["Animator"].summary == documented.partition("\n\n")[0]


def test_the_table_of_layers_is_that_of_the_test() -> None:
    test = ROOT / "tests" / "test_imports.py"
    layers = list(runpy.run_path(str(test))["LAYERS"])
    shown = layers_table(ROOT, "cpabmm_core", layers_of(test))
    assert re.findall(r"^\| `cpabmm_core\.(\w+)` \|", shown, re.MULTILINE) == layers


def test_a_module_without_layers_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("OTHER = 1\n")
    with pytest.raises(ValueError, match="assigns no LAYERS"):
        layers_of(tmp_path / "test_other.py")


@pytest.mark.parametrize(
    ("error", "code"),
    [("DataError", "3"), ("ShapeError", "3"), ("CheckpointError", "4"), ("ResourceError", "5")],
)
def test_the_table_of_exit_codes_has_the_code_of_each_error(error: str, code: str) -> None:
    assert f"| `{error}` | {code} |" in exit_code_table()


@pytest.mark.parametrize(
    ("link", "origin", "page", "expected"),
    [
        ("(cli.md#output)", "docs/animate.md", "animate.md", "(cli.md#output)"),
        ("(../cli.md)", "docs/results/index.md", "results/index.md", "(../cli.md)"),
        ("(docs/cli.md)", "CONTRIBUTING.md", "development/contributing.md", "(../cli.md)"),
        ("(LICENSE)", "CONTRIBUTING.md", "development/contributing.md", "(URL/LICENSE)"),
        ("(../examples/a.py)", "docs/cpab.md", "cpab.md", "(URL/examples/a.py)"),
        ("(https://a.org/b)", "docs/cpab.md", "cpab.md", "(https://a.org/b)"),
        ("(#output)", "docs/cli.md", "cli.md", "(#output)"),
    ],
)
def test_links_work_from_the_page_of_the_site(
    link: str, origin: str, page: str, expected: str
) -> None:
    moved = relocate_links(f"[text]{link}", origin=origin, page=page, blob_url="URL")
    assert moved == f"[text]{expected}"


def test_bars_are_escaped_outside_of_code() -> None:
    assert table(["a|b"], [["`c|d` | e"]]).splitlines() == [
        r"| a\|b |",
        "| --- |",
        r"| `c|d` \| e |",
    ]
