"""Text of other people's files and file names in messages."""


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
