"""YAML as configurations use it: each key once, and no value that looks like another.

The values follow the core schema of YAML 1.2. YAML 1.1, PyYAML's default, reads ``no`` as false,
``010`` as 8, ``1:30`` as 90 and ``1e-4`` as text, without a word.
"""

import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cpabmm_core.files.checks import one_line

_MAX_VALUES = 100_000
"""Most values of a document, with each alias counted as often as it is used."""
_TAG = "tag:yaml.org,2002:"
_BASES = {"0o": 8, "0x": 16}
_PLAIN_VALUES = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
)
"""Type, pattern and first characters of the values that are no text, in the core schema."""


class YamlProblem(ValueError):
    """The trouble of a document, and its cure; the caller names the document."""


def read_yaml(text: str) -> Any:  # noqa: ANN401  (any YAML value)
    r"""Parse a YAML document.

    Aliases and merge keys (``<<``) are allowed. The key of a mapping that merges another one
    precedes the merged key.

    Raises:
        YamlProblem: the text is not YAML, gives a key twice, is nested too deeply, or has aliases
            that contain themselves or multiply to an excessive number of values.

    Example:
        >>> read_yaml("{a: no, b: 010, c: 1e-4}")
        {'a': 'no', 'b': 10, 'c': 0.0001}
        >>> read_yaml("a: 1\na: 2")
        Traceback (most recent call last):
        cpabmm_core.config.yaml_format.YamlProblem: gives a twice, in lines 1 and 2; remove one
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count_values(node, "", {})
        return loader.construct_document(node)
    except YamlProblem:
        raise
    except RecursionError:
        raise YamlProblem("is nested too deeply; flatten it") from None
    except yaml.MarkedYAMLError as error:
        raise YamlProblem(_describe(error)) from None
    except Exception as error:  # constructors raise whatever int(), float() and dict() raise
        raise YamlProblem(f"is not valid YAML ({one_line(error)}); correct it") from None


def write_yaml(values: Any) -> str:  # noqa: ANN401  (any plain value)
    r"""Return plain values as YAML that readers of version 1.1 and of 1.2 understand alike.

    Example:
        >>> write_yaml({"a": "no", "b": "1e-4", "c": 1e-4})
        "a: 'no'\nb: '1e-4'\nc: 0.0001\n"
    """
    return str(yaml.dump(values, Dumper=_Dumper, sort_keys=False))


class _Loader(yaml.SafeLoader):
    """A loader of the core schema."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (add_implicit_resolver copies it)


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes what either version would not read as text."""


def _construct_int(loader: yaml.SafeLoader, node: ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, _BASES.get(text[:2], 10))


_Loader.add_constructor(f"{_TAG}int", _construct_int)
for _type, _pattern, _first in _PLAIN_VALUES:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"{_TAG}{_type}", re.compile(f"^(?:{_pattern})$"), _first)


def _count_values(node: Node, path: str, counts: dict[Node, int | None]) -> int:
    """Return the number of values in a node, and check its keys.

    Args:
        node: the node.
        path: dotted key of the node, for messages.
        counts: the counts of the nodes so far; None for those that contain this one.
    """
    if node in counts:
        known = counts[node]
        if known is None:
            line = node.start_mark.line + 1
            raise YamlProblem(f"has an alias of line {line} inside of line {line}; write it out")
        return known
    counts[node] = None
    children: list[tuple[str, Node]] = []
    if isinstance(node, MappingNode):
        children = _named_values(node, path)
    elif isinstance(node, SequenceNode):
        children = [(f"{path}[{index}]", child) for index, child in enumerate(node.value)]
    total = 1 + sum(_count_values(child, name, counts) for name, child in children)
    if total > _MAX_VALUES:
        raise YamlProblem(f"has more than {_MAX_VALUES} values; shorten it")
    counts[node] = total
    return total


def _named_values(node: MappingNode, path: str) -> list[tuple[str, Node]]:
    """Return the keys that are collections and all values of a mapping, after a check of keys."""
    children: list[tuple[str, Node]] = []
    lines: dict[tuple[str, str], int] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            children += [(path, key), (path, value)]
            continue
        name = f"{path}.{key.value}" if path else key.value
        line = key.start_mark.line + 1
        if (key.tag, key.value) in lines:
            first = lines[key.tag, key.value]
            where = f"lines {first} and {line}" if line > first else f"line {line}"
            raise YamlProblem(f"gives {name} twice, in {where}; remove one")
        lines[key.tag, key.value] = line
        children.append((name, value))
    return children


def _describe(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = f" in line {mark.line + 1}" if mark else ""
    parts = [error.problem]
    if not error.problem or error.problem.startswith("but "):
        parts = [error.context, error.problem]
    problem = " ".join(" ".join(filter(None, parts)).split())
    cure = "indent with spaces, not tabs" if "'\\t'" in problem else "correct it"
    return f"is not valid YAML{line} ({problem}); {cure}"
