"""The rules of the layout: imports point one way, and the core has no side effects."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = "cpabmm_core"
CLI = "cpabmm_cli"

# From the bottom up. A module may import from its own package and from all earlier layers.
LAYERS = (
    "errors",
    "arrays",
    "progress",
    "notices",
    "compilation",
    "files",
    "config",
    "device",
    "precision_trial",
    "precision",
    "process_map",
    "convolution",
    "geometry",
    "cpab",
    "pointsets",
    "media",
    "puppets",
    "visualize",
    "models",
    "checkpoint",
    "losses",
    "metrics",
    "data",
    "inference",
    "training",
    "export",
)

FORBIDDEN_CALLS = {
    "print",
    "exit",
    "quit",
    "sys.exit",
    "os.getenv",
    "os._exit",
    "random.seed",
    "np.random.seed",
    "numpy.random.seed",
    "torch.manual_seed",
    "torch.random.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "torch.seed",
    "accelerate.utils.set_seed",
    "set_seed",
}
FORBIDDEN_NAMES = {"os.environ", "os.environb"}
COMMAND_LINE = re.compile(
    r"\B--[a-z]|`cpabmm |\bcpabmm (train|animate|metrics|convert|checkpoints)"
)
"""What a message of the core must not say: its callers may not be the command line."""
RUNS_PROGRAMS = {"data/preprocess/published/download.py"}
"""Modules that pass options to other programs."""
GRID_SAMPLE_HOME = f"{CORE}/geometry/warping.py"

Location = tuple[str, ast.AST]


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_modules(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[str]:
    """Yield every module that a file imports, including imports in functions and type blocks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: (1 if is_package else 0) - node.level or None]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def wrong_core_imports(path: Path, tree: ast.Module) -> list[str]:
    module = module_name(path)
    if module == CORE:  # the front door leads to every layer
        return [name for name in imported_modules(tree, module, is_package=True) if CLI in name]
    layer = module.split(".")[1]
    allowed = {*LAYERS[: LAYERS.index(layer)], layer}
    wrong = []
    for name in imported_modules(tree, module, is_package=path.name == "__init__.py"):
        package, _, rest = name.partition(".")
        if package == CLI or (package == CORE and rest and rest.split(".")[0] not in allowed):
            wrong.append(name)
    return wrong


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def forbidden_in_core(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in FORBIDDEN_CALLS:
            found.append(f"line {node.lineno}: {dotted(node.func)}()")
        elif isinstance(node, ast.Attribute) and dotted(node) in FORBIDDEN_NAMES:
            found.append(f"line {node.lineno}: {dotted(node)}")
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            names = {alias.name for alias in node.names} & {"environ", "getenv", "exit"}
            found.extend(f"line {node.lineno}: {node.module}.{name}" for name in names)
    return found


def mentions(tree: ast.Module, name: str) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr == name)
        or (isinstance(node, ast.alias) and node.name == name)
        or (isinstance(node, ast.Name) and node.id == name)
        for node in ast.walk(tree)
    )


def command_line_words(tree: ast.Module) -> list[str]:
    """Strings, other than docstrings, that mention options or commands of the command line."""
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    docstrings = {id(node.value) for node in documented}
    return [
        f"line {node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings and COMMAND_LINE.search(node.value)
    ]


def test_every_module_of_the_core_has_a_layer() -> None:
    parts = {path.relative_to(ROOT / CORE).parts[0] for path in sources(CORE)}
    assert {part.removesuffix(".py") for part in parts} - {"__init__"} <= set(LAYERS)


@pytest.mark.parametrize("path", sources(CORE), ids=module_name)
def test_core_imports_only_downwards(path: Path) -> None:
    assert wrong_core_imports(path, parse(path)) == []


@pytest.mark.parametrize("path", sources(CORE), ids=module_name)
def test_core_never_prints_exits_seeds_or_reads_the_environment(path: Path) -> None:
    assert forbidden_in_core(parse(path)) == []


@pytest.mark.parametrize("path", sources(CORE), ids=module_name)
def test_core_does_not_speak_the_command_line(path: Path) -> None:
    if path.relative_to(ROOT / CORE).as_posix() not in RUNS_PROGRAMS:
        assert command_line_words(parse(path)) == []


def test_only_the_warp_samples_grids() -> None:
    modules = sources(CORE) + sources(CLI)
    callers = [path for path in modules if mentions(parse(path), "grid_sample")]
    assert [path.relative_to(ROOT).as_posix() for path in callers] == [GRID_SAMPLE_HOME]


def test_the_command_line_does_not_import_click() -> None:
    for path in sources(CLI):
        modules = imported_modules(parse(path), module_name(path), is_package=False)
        assert not [name for name in modules if name.split(".")[0] == "click"]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("geometry/new.py", "from cpabmm_core.models.build import build_model"),
        ("geometry/new.py", "import cpabmm_core.cpab.space"),
        ("geometry/new.py", "from cpabmm_core import models"),
        ("geometry/new.py", "from ..models import build"),
        ("media/new.py", "def f() -> None:\n    from cpabmm_core.inference import animator"),
        ("training/new.py", "from cpabmm_cli.console import terminal"),
    ],
)
def test_the_rule_catches_an_upward_import(module: str, line: str) -> None:
    assert wrong_core_imports(ROOT / CORE / module, ast.parse(line))


@pytest.mark.parametrize(
    "line",
    [
        "print(1)",
        "import sys\nsys.exit(1)",
        "from sys import exit",
        "import os\nos.environ['A']",
        "import torch\ntorch.manual_seed(0)",
        "import numpy as np\nnp.random.seed(0)",
    ],
)
def test_the_rule_catches_what_the_core_must_not_do(line: str) -> None:
    assert forbidden_in_core(ast.parse(line))


@pytest.mark.parametrize("line", ["x = 'use --force'", "raise E(f'{p}: see `cpabmm info`')"])
def test_the_rule_catches_words_of_the_command_line(line: str) -> None:
    assert command_line_words(ast.parse(line))


def test_importing_the_core_does_not_import_torch() -> None:
    code = "import sys, cpabmm_core, cpabmm_core.errors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
