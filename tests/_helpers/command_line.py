"""The command line in this process, with its streams apart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from cpabmm_cli.app import app


def run(*arguments: object) -> Result:
    """Run ``cpabmm`` with these arguments."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_with_input(content: bytes, *arguments: object) -> Result:
    """Run ``cpabmm`` with these arguments and the content on stdin."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=content)


def output_of(*arguments: object) -> str:
    """What a successful run prints on stdout."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def document_of(*arguments: object) -> dict[str, Any]:
    """The JSON document that a successful run with ``--json`` prints on stdout."""
    document: dict[str, Any] = json.loads(output_of(*arguments, "--json"))
    assert document.pop("schema") == 1
    return document


def assert_fails(code: int, *arguments: object, words: str = "") -> None:
    """The run ends with the code, one line on stderr and nothing on stdout."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert words in result.stderr


def assert_leaves_no_file(folder: Path, action: Callable[[], None]) -> None:
    """The action neither adds nor removes a file anywhere below the folder."""
    before = sorted(folder.rglob("*"))
    action()
    assert sorted(folder.rglob("*")) == before
