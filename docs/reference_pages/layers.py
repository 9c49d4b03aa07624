"""The table of layers, read from the test that enforces it."""

import ast
from pathlib import Path

from reference_pages.tables import code, table


def layers_of(test: Path) -> list[str]:
    """Return the value of ``LAYERS`` in a test module."""
    for node in ast.parse(test.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            if names == ["LAYERS"]:
                return list(ast.literal_eval(node.value))
    raise ValueError(f"{test}: assigns no LAYERS")


def layers_table(root: Path, package: str, layers: list[str]) -> str:
    """Return the layers with the first line of their docstrings, the lowest first."""
    rows = [(code(f"{package}.{layer}"), _summary(root / package, layer)) for layer in layers]
    return table(["layer", "contents"], rows)


def _summary(package: Path, layer: str) -> str:
    module = package / f"{layer}.py"
    source = module if module.is_file() else package / layer / "__init__.py"
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0]
