"""One-line descriptions of what is wrong with a configuration."""

import difflib

from pydantic import BaseModel, ValidationError

from cpabmm_core.config.schema import Config
from cpabmm_core.files.printable import printable

_SHOWN = 80
"""Most characters of a key or value that a message repeats."""
_EXPECTED = {
    "model_type": "expected a section with keys",
    "tuple_type": "expected a list",
    "missing": "expected another number",
}
"""Messages for types of pydantic errors whose own message names Python classes."""


def first_problem(error: ValidationError) -> str:
    """Describe the first problem that pydantic found, with a suggestion for an unknown key."""
    problem = error.errors()[0]
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _keys_of_section(location[:-1])
        hint = suggest(location[-1], known) or f"; known keys: {', '.join(known)}"
        return f"unknown key {shorten(key)}{hint}"
    message = _EXPECTED.get(problem["type"], problem["msg"].removeprefix("Input "))
    return f"{key}: {message}, got {shorten(repr(problem['input']))}"


def suggest(word: str, known: list[str]) -> str:
    """Return "; did you mean ...?" with the closest known word, or "" if none is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def shorten(text: str) -> str:
    """Return text of a file or an option for a message: on one line and not too long."""
    return printable(text, _SHOWN)


def _keys_of_section(location: list[str]) -> list[str]:
    section: type[BaseModel] = Config
    for name in location:
        annotation = section.model_fields[name].annotation if name in section.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return []
        section = models[0]
    return list(section.model_fields)
