"""The reference of the training configuration, read from the pydantic models."""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reference_pages.tables import code, table

_BOUNDS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
_NAMES: dict[object, str] = {
    NoneType: "`null`",
    int: "integer",
    float: "number",
    bool: "boolean",
    str: "string",
}


def sections_of(
    model: type[BaseModel], path: str = ""
) -> Iterator[tuple[str, type[BaseModel], FieldInfo | None]]:
    """Return every section below a model: its dotted path, its model and its field."""
    for name, field in model.model_fields.items():
        section = section_model(field)
        if section is not None:
            dotted = f"{path}.{name}" if path else name
            yield dotted, section, field
            yield from sections_of(section, dotted)


def section_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a section; None for a value."""
    kinds = (field.annotation, *get_args(field.annotation))
    models = [each for each in kinds if inspect.isclass(each) and issubclass(each, BaseModel)]
    return models[0] if models else None


def descriptions_of(model: type[BaseModel]) -> dict[str, str]:
    """Return the descriptions of a model's fields: the strings below them in the source."""
    found = {
        name: field.description for name, field in model.model_fields.items() if field.description
    }
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    for assignment, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(assignment, ast.AnnAssign)
            and isinstance(assignment.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found.setdefault(assignment.target.id, " ".join(str(text.value.value).split()))
    return found


def configuration_page(model: type[BaseModel], shipped: list[str]) -> str:
    """Return the page of all sections and keys, as Markdown."""
    parts = [
        "# Configuration",
        "A training configuration is a YAML file. This page is generated from the models that "
        "validate it, and lists every key with its type, default and meaning. Unknown keys are "
        "errors.",
        "A file may start from another configuration and state only the differences:",
        "```yaml\nextends: taichi-256    # a shipped name, or a path\n"
        "data: {frame_size: 128}\nlosses: {structure: 0}\n```",
        "`--set KEY=VALUE` changes a single key for one run, for example "
        "`--set training.batch_size=4`. The run folder keeps the resulting configuration as "
        "`config.yaml`.",
    ]
    for path, section, _ in sections_of(model):
        parts += [f"## {path} {{ #{path.replace('.', '-')} }}", _description(section)]
        parts.append(_section_table(path, section))
    parts += [
        "## Shipped configurations",
        "[Training](../training.md) explains the names.",
        ", ".join(map(code, shipped)),
    ]
    return "\n\n".join(parts) + "\n"


def _description(section: type[BaseModel]) -> str:
    """Return the docstring of a section without its example in Python."""
    return (inspect.getdoc(section) or "").partition("\n\nExample:\n")[0]


def _section_table(path: str, section: type[BaseModel]) -> str:
    descriptions = descriptions_of(section)
    rows = []
    for name, field in section.model_fields.items():
        inner, text = section_model(field), descriptions.get(name, "")
        if inner is None:
            rows.append((code(name), type_text(field), _default_text(field), text))
            continue
        target = f"{path}.{name}"
        link = f"section [`{target}`](#{target.replace('.', '-')})"
        summary = text or (inspect.getdoc(inner) or "").partition("\n\n")[0]
        rows.append((code(name), link, "" if field.default is not None else "`null`", summary))
    return table(["key", "type", "default", "meaning"], rows)


def type_text(field: FieldInfo) -> str:
    """Describe the values that a field accepts."""
    bounds = [
        f"{sign} {getattr(constraint, key):g}"
        for constraint in field.metadata
        for key, sign in _BOUNDS
        if getattr(constraint, key, None) is not None
    ]
    return " ".join([_kind_text(field.annotation), *([", ".join(bounds)] if bounds else [])])


def _kind_text(kind: object) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(code(_yaml(each)) for each in arguments)
    if origin in (Union, UnionType):
        return " or ".join(map(_kind_text, arguments))
    if origin is Annotated:
        return _kind_text(arguments[0])
    if origin is tuple:
        count = "list of" if arguments[-1] is Ellipsis else str(len(arguments))
        return f"{count} {_kind_text(arguments[0])}s"
    return _NAMES.get(kind, "path")


def _default_text(field: FieldInfo) -> str:
    return "*required*" if field.is_required() else code(_yaml(field.get_default()))


def _yaml(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, default=str)
