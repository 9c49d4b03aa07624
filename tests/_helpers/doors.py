"""The public interface, read from the stubs of the packages."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = "cpabmm_core"


def doors() -> dict[str, list[str]]:
    """Return the public names of each package that has a stub, by the package's dotted name."""
    stubs = sorted((ROOT / CORE).rglob("__init__.pyi"))
    return {".".join(stub.relative_to(ROOT).parts[:-1]): list(_names(stub)) for stub in stubs}


def _names(stub: Path) -> Iterator[str]:
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
