"""The public interface: its names are recorded and documented, and its examples work."""

import ast
import doctest
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _helpers.doors import ROOT, doors

RECORDED = Path(__file__).parent / "golden" / "public_names.json"
NAMES = [(door, name) for door, names in doors().items() for name in names if name != "__version__"]


def public(door: str, name: str) -> Any:  # noqa: ANN401
    return getattr(importlib.import_module(door), name)


def needs_example(value: object) -> bool:
    """Return whether an example is expected: of functions and of classes other than errors."""
    if inspect.isclass(value):
        return not issubclass(value, Exception)
    return inspect.isfunction(value)


def items() -> list[tuple[str, str]]:
    return [(door, name) for door, name in NAMES if needs_example(public(door, name))]


def test_no_public_name_vanishes_and_none_appears_unrecorded() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert doors() == recorded, "a change of the public interface: update golden/public_names.json"


@pytest.mark.parametrize(("door", "name"), NAMES)
def test_every_public_name_can_be_imported(door: str, name: str) -> None:
    assert public(door, name) is not None
    assert name in dir(importlib.import_module(door))


@pytest.fixture
def _own_accelerator_state() -> None:
    """Remove the state of Accelerate, which fixes the precision and which other tests leave."""
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state()


@pytest.mark.usefixtures("_own_accelerator_state")
@pytest.mark.parametrize(("door", "name"), items())
def test_every_public_item_has_a_docstring_and_a_working_example(door: str, name: str) -> None:
    value = public(door, name)
    assert inspect.getdoc(value)
    examples = doctest.DocTestFinder(recurse=True).find(value, name)
    assert any(test.examples for test in examples), f"{door}.{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in examples:
        report: list[str] = []
        runner.run(test, out=report.append)
        assert not report, "".join(report)


def constants() -> list[tuple[str, str]]:
    """Return the public names of types and values, which cannot have a docstring of their own."""
    values = [(door, name, public(door, name)) for door, name in NAMES]
    return [
        (door, name)
        for door, name, value in values
        if not (inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value))
    ]


@pytest.mark.parametrize(("door", "name"), constants())
def test_every_public_constant_has_a_docstring_beneath_it(door: str, name: str) -> None:
    assignment = re.compile(rf"^{name}\b[^\n]* = ")
    for path in Path(ROOT, *door.split(".")).rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        statements = ast.parse(source).body
        for statement, following in pairwise(statements):
            if assignment.match(ast.get_source_segment(source, statement) or ""):
                assert isinstance(following, ast.Expr), f"{path}: {name} has no docstring"
                assert isinstance(ast.literal_eval(following.value), str)
                return
    pytest.fail(f"{door}: no module assigns {name}")


@pytest.mark.parametrize("door", list(doors()))
def test_the_example_of_a_package_works(door: str) -> None:
    module = importlib.import_module(door)
    assert isinstance(module, ModuleType)
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in finder.find(module, door):
        report: list[str] = []
        runner.run(test, out=report.append)
        assert not report, "".join(report)


def test_doors_do_not_load_torch() -> None:
    lines = "; ".join(f"import {door}" for door in doors())
    code = f"import sys; {lines}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def _undocumented(value: Callable[..., object]) -> list[str]:
    """Return the parameters of a function that its docstring does not mention."""
    text = inspect.getdoc(value) or ""
    parameters = [name for name in inspect.signature(value).parameters if name != "self"]
    return [name for name in parameters if name not in text] if "Args:" in text else []


@pytest.mark.parametrize(("door", "name"), items())
def test_a_docstring_that_lists_arguments_lists_them_all(door: str, name: str) -> None:
    value = public(door, name)
    if inspect.isfunction(value):
        assert _undocumented(value) == []
