"""JSON from files that people write, in which each key appears once."""

import json
from collections import Counter
from typing import Any


def read_json(text: str | bytes) -> Any:  # noqa: ANN401  (any JSON value)
    """Parse JSON like `json.loads`, which keeps the last of two equal keys; refuse a second one.

    Raises:
        ValueError: the text is not JSON, gives a key of an object twice, or is nested too deeply.

    Example:
        >>> read_json('{"size": 64, "size": 96}')
        Traceback (most recent call last):
        ValueError: gives the key 'size' twice
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"gives the key {key!r} twice")
    return values
