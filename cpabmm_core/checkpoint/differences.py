"""How the tensors of a file differ from those of a model."""

from collections.abc import Mapping

_NAMED = 3

Shapes = Mapping[str, tuple[int, ...]]


def differences(stored: Shapes, expected: Shapes) -> str | None:
    """What is missing, unknown or of another shape, each with its first names; None if nothing."""
    differing = [
        f"{name} is {list(stored[name])}, not {list(expected[name])}"
        for name in sorted(expected.keys() & stored.keys())
        if stored[name] != expected[name]
    ]
    problems = [
        f"{len(names)} {trouble} ({', '.join(names[:_NAMED])}"
        f"{', ...' if len(names) > _NAMED else ''})"
        for trouble, names in (
            ("missing", sorted(expected.keys() - stored.keys())),
            ("unknown", sorted(stored.keys() - expected.keys())),
            ("of another shape", differing),
        )
        if names
    ]
    return "; ".join(problems) or None
