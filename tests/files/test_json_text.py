import json

import pytest

from cpabmm_core.files.json_text import read_json


def test_a_key_given_twice_is_refused_at_any_depth() -> None:
    with pytest.raises(ValueError, match="gives the key 'b' twice"):
        read_json('[{"a": 1, "c": {"b": 1, "a": 2, "b": 1}}]')


@pytest.mark.parametrize(
    "text", ['{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}', "[]", "null", "1.5"]
)
def test_other_json_is_read_as_usual(text: str) -> None:
    assert read_json(text) == read_json(text.encode("utf-8-sig")) == json.loads(text)


def test_deep_nesting_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json("[" * 100_000)
