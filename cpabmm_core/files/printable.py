"""Text of other people's files and file names in messages."""

from collections.abc import Iterable

_NAME_CHARACTERS = 80


def printable(text: str, limit: int | None = None) -> str:
    r"""Return text that fits into a line of a message and that no terminal obeys.

    Args:
        text: any text.
        limit: the most characters to keep; the end of a longer text is left out.

    Example:
        >>> printable("two\nlines")
        'two\\nlines'
        >>> printable("a long text", limit=8)
        'a lon...'
    """
    if limit is not None and len(text) > limit:
        text = f"{text[: limit - 3]}..."
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def first_names(names: Iterable[str], most: int, limit: int = _NAME_CHARACTERS) -> str:
    """Return the first names of a file's parts for a message, each of a limited length.

    Example:
        >>> first_names(["a", "b", "c"], 2)
        'a, b, ...'
    """
    listed = list(names)
    shown = [printable(name, limit) for name in listed[:most]]
    return ", ".join(shown + ["..."] * (len(listed) > most))
