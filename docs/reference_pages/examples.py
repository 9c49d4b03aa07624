"""Griffe extension: a docstring section ``Example`` is a section of examples.

Griffe knows only the plural, and would show the doctests of the singular as ordinary text.
"""

from typing import cast

from griffe import Extension, Module, Object

_SINGULAR, _PLURAL = "Example:\n", "Examples:\n"


class SingularExample(Extension):
    """Read ``Example:`` as ``Examples:``."""

    def on_package(self, *, pkg: Module, **kwargs: object) -> None:
        """Rename the section in all docstrings of a package."""
        _rename(pkg)


def _rename(obj: Object) -> None:
    if obj.docstring is not None:
        lines = obj.docstring.value.splitlines(keepends=True)
        renamed = [_PLURAL if line == _SINGULAR else line for line in lines]
        obj.docstring.value = "".join(renamed)
    for member in obj.members.values():
        if not member.is_alias:
            _rename(cast("Object", member))
