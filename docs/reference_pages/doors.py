"""The reference of the Python interface: the public names that the package stubs list."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reference_pages.tables import table

_STUB = "__init__.pyi"


@dataclass(frozen=True)
class Name:
    """A public name."""

    door: str
    """The package to import it from."""
    name: str
    home: str
    """Dotted path where it is defined."""
    summary: str
    """First paragraph of its docstring; empty without one."""
    is_door: bool
    """Whether it is itself a module."""

    @property
    def path(self) -> str:
        """Dotted path through the door."""
        return f"{self.door}.{self.name}"


def doors_of(root: Path, package: str) -> dict[str, list[Name]]:
    """Return the public names of every package that has a stub, by package."""
    stubs = sorted((root / package).rglob(_STUB), key=lambda path: (len(path.parts), path))
    doors = {".".join(stub.parent.relative_to(root).parts): stub for stub in stubs}
    return {door: list(_names_of(root, door, stub)) for door, stub in doors.items()}


def door_page(door: str, names: list[Name], elsewhere: dict[str, str]) -> str:
    """Return the page of one door, as Markdown.

    Args:
        door: dotted name of the package.
        names: its public names.
        elsewhere: for names that another page documents, the link to it, by home.
    """
    rows = [(_entry_link(each, elsewhere), each.summary) for each in names]
    parts = [
        f"# {door}",
        _directive(door, members="[]", show_root_heading="false", show_root_toc_entry="false"),
        table(["name", "purpose"], rows),
    ]
    own = [each for each in names if not each.is_door and each.home not in elsewhere]
    parts += [
        _directive(each.home, heading=each.path, toc_label=each.name, heading_level="2")
        for each in own
    ]
    return "\n\n".join(parts) + "\n"


def module_page(module: str) -> str:
    """Return the page of a public module without a stub: everything it defines."""
    return f"# {module}\n\n" + _directive(
        module, show_root_heading="false", show_root_toc_entry="false", heading_level="2"
    )


def _names_of(root: Path, door: str, stub: Path) -> Iterator[Name]:
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ImportFrom):
            continue
        module = ".".join(filter(None, [door, node.module])) if node.level else str(node.module)
        for alias in node.names:
            public = alias.asname or alias.name
            home = _home(root, module, alias.name)
            path = root.joinpath(*home.split("."))
            is_door = path.is_dir() or (path.with_suffix(".py").is_file() and not node.module)
            yield Name(door, public, home, _summary(root, home, is_module=is_door), is_door)


def _home(root: Path, module: str, name: str) -> str:
    """Follow a name through the doors that only pass it on."""
    stub = root.joinpath(*module.split("."), _STUB)
    if stub.is_file():
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return _home(root, f"{module}.{node.module}", alias.name)
    return f"{module}.{name}"


def _summary(root: Path, home: str, *, is_module: bool) -> str:
    module, _, name = (home, "", "") if is_module else home.rpartition(".")
    path = root.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) if is_module else _docstring(tree, name)
    if text is None and (origin := _origin(tree, package=module.partition(".")[0], name=name)):
        return _summary(root, origin, is_module=False)
    return (text or "").partition("\n\n")[0]


def _origin(tree: ast.Module, *, package: str, name: str) -> str | None:
    """Return the dotted path from which a module imports a name; None if it defines the name."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return f"{node.module}.{alias.name}"
    return None


def _docstring(tree: ast.Module, name: str) -> str | None:
    for node, following in zip(tree.body, [*tree.body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        is_named = any(isinstance(each, ast.Name) and each.id == name for each in targets)
        if is_named and isinstance(following, ast.Expr):
            return str(ast.literal_eval(following.value))
    return None


def _entry_link(name: Name, elsewhere: dict[str, str]) -> str:
    target = elsewhere.get(name.home, f"#{name.home}")
    return f"[`{name.name}`]({target})"


def _directive(identifier: str, **options: str) -> str:
    lines = [f"::: {identifier}", "    options:"]
    return "\n".join(lines + [f"      {key}: {value}" for key, value in options.items()])
