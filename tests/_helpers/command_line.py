"""The command line run in this process, with stdout and stderr captured separately."""

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
    """Run ``cpabmm`` with these arguments and `content` on stdin."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=content)


def output_of(*arguments: object) -> str:
    """Run ``cpabmm``, assert that it succeeds and return its stdout."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def document_of(*arguments: object) -> dict[str, Any]:
    """Run ``cpabmm`` with ``--json``, assert that it succeeds and return the document."""
    document: dict[str, Any] = json.loads(output_of(*arguments, "--json"))
    assert document.pop("schema") == 1
    return document


def assert_fails(code: int, *arguments: object, words: str = "") -> None:
    """Assert that the run ends with the code, one line on stderr and nothing on stdout."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert words in result.stderr


def assert_leaves_no_file(folder: Path, action: Callable[[], None]) -> None:
    """Assert that the action neither adds nor removes files below the folder."""
    before = sorted(folder.rglob("*"))
    action()
    assert sorted(folder.rglob("*")) == before
