import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_files import NumberFile, number_file, read_number_file
from cpabmm_core.pointsets.pair_formats import PAIR_SUFFIXES
from cpabmm_core.pointsets.point_pairs import (
    PointPairs,
    read_point_pairs,
    read_weights,
    stack_pairs,
)

SOURCE = [[0.1, 0.2], [0.5, 0.5], [0.0, 1.0]]
TARGET = [[0.2, 0.2], [0.4, 0.5], [0.0, 0.9]]
HEADER = "source_x,source_y,target_x,target_y"


def json_file(value: object) -> NumberFile:
    return NumberFile("p.json", ".json", json.dumps(value).encode())


def csv_file(text: str) -> NumberFile:
    return NumberFile("p.csv", ".csv", text.encode())


def npz_file(path: Path, arrays: dict[str, Any]) -> NumberFile:
    np.savez(path / "p.npz", **arrays)
    return read_number_file(path / "p.npz", PAIR_SUFFIXES)


def one(file: NumberFile) -> PointPairs:
    (pairs,) = read_point_pairs(file)
    return pairs


def two_sets() -> list[dict[str, Any]]:
    return [
        {"name": "walk", "source": SOURCE, "target": TARGET, "weights": [1, 0.5, 2]},
        {"source": SOURCE[:2], "target": TARGET[:2]},
    ]


def assert_one_line(file: NumberFile, words: str, weights: np.ndarray | None = None) -> None:
    with pytest.raises(DataError) as caught:
        read_point_pairs(file, weights)
    assert str(caught.value).startswith(f"{file.name}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_format_gives_the_same_pairs(tmp_path: Path) -> None:
    rows = [",".join(map(str, [*s, *t])) for s, t in zip(SOURCE, TARGET, strict=True)]
    for file in (
        json_file({"source": SOURCE, "target": TARGET}),
        json_file([{"source": SOURCE, "target": TARGET}]),
        csv_file("\n".join([HEADER, *rows])),
        npz_file(tmp_path, {"source": SOURCE, "target": TARGET}),
        npz_file(tmp_path, {"source": [SOURCE], "target": [TARGET]}),
    ):
        pairs = one(file)
        np.testing.assert_array_equal(pairs.source, SOURCE)
        np.testing.assert_array_equal(pairs.target, TARGET)
        np.testing.assert_array_equal(pairs.weights, [1, 1, 1])
        assert pairs.name == "1"


def test_csv_columns_may_be_in_any_order_among_others() -> None:
    text = "\ufefftarget_y, target_x, joint, source_y, source_x\n\n0.4, 0.3, nose, 0.2, 0.1\n"
    pairs = one(csv_file(text))
    np.testing.assert_array_equal(pairs.source, [[0.1, 0.2]])
    np.testing.assert_array_equal(pairs.target, [[0.3, 0.4]])


def test_sets_of_different_sizes_in_one_json() -> None:
    walk, second = read_point_pairs(json_file(two_sets()))
    assert (walk.name, second.name) == ("walk", "2")
    np.testing.assert_array_equal(walk.weights, [1, 0.5, 2])
    np.testing.assert_array_equal(second.source, SOURCE[:2])
    np.testing.assert_array_equal(second.weights, [1, 1])


def test_the_pair_column_of_a_csv_splits_its_rows_into_sets() -> None:
    text = f"pair,{HEADER},weight\nb,.1,.2,.3,.4,1\na,.5,.5,.5,.5,2\nb,.6,.7,.8,.9,3\n"
    b, a = read_point_pairs(csv_file(text))
    assert (b.name, a.name) == ("b", "a")
    np.testing.assert_array_equal(b.source, [[0.1, 0.2], [0.6, 0.7]])
    np.testing.assert_array_equal(b.target, [[0.3, 0.4], [0.8, 0.9]])
    np.testing.assert_array_equal(b.weights, [1, 3])
    np.testing.assert_array_equal(a.weights, [2])


def test_sets_of_an_archive_may_be_padded_with_nan(tmp_path: Path) -> None:
    source, target = np.array([SOURCE, SOURCE]), np.array([TARGET, TARGET])
    source[1, 2], target[1, 2] = np.nan, np.inf
    weights = np.array([[1, 1, 1], [1, 2, 0]])
    names = np.array(["first", "second"])
    arrays = {"source": source, "target": target, "weights": weights, "names": names}
    file = npz_file(tmp_path, arrays)
    first, second = read_point_pairs(file)
    assert (first.name, second.name) == ("first", "second")
    np.testing.assert_array_equal(second.weights, [1, 2, 0])
    np.testing.assert_array_equal(second.counting().source, SOURCE[:2])
    np.testing.assert_array_equal(second.counting().target, TARGET[:2])


def test_pairs_of_weight_0_may_have_missing_values() -> None:
    empty_cell = csv_file(f"{HEADER},weight\n.1,.2,.3,.4,1\n,,.3,900,0\n")
    null = json_file({"source": [[0, 0], [None, 0]], "target": [[0, 0], [0, 0]], "weights": [1, 0]})
    for file in (empty_cell, null):
        np.testing.assert_array_equal(one(file).weights, [1, 0])


def test_points_may_lie_half_a_side_outside() -> None:
    edge = [[-0.5, 1.5], [1.5, -0.5]]
    np.testing.assert_array_equal(one(json_file({"source": edge, "target": edge})).source, edge)


def test_a_file_without_weights_takes_given_ones() -> None:
    text = f"pair,{HEADER}\nb,.1,.2,.3,.4\na,.5,.5,.5,.5\nb,.6,.7,.8,.9\n"
    b, a = read_point_pairs(csv_file(text), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(b.weights, [1, 3])
    np.testing.assert_array_equal(a.weights, [2])


def test_weights_of_one_set_apply_to_all_sets() -> None:
    sets = [{"source": SOURCE, "target": TARGET}] * 2
    for pairs in read_point_pairs(json_file(sets), np.array([1.0, 2.0, 0.0])):
        np.testing.assert_array_equal(pairs.weights, [1, 2, 0])


def test_weights_in_the_file_can_be_ignored() -> None:
    walk, _ = read_point_pairs(json_file(two_sets()), own_weights=False)
    np.testing.assert_array_equal(walk.weights, [1, 1, 1])


def test_weights_that_do_not_fit_are_refused() -> None:
    plain = json_file({"source": SOURCE, "target": TARGET})
    assert_one_line(plain, "expected 3 weights", weights=np.ones(4))
    assert_one_line(plain, "weight of pair 2 is -1", weights=np.array([1.0, -1.0, 1.0]))
    assert_one_line(plain, "weight of pair 1 is nan", weights=np.array([np.nan, 1.0, 1.0]))
    assert_one_line(json_file(two_sets()), "already has weights", weights=np.ones(5))


@pytest.mark.parametrize(
    ("suffix", "data"),
    [(".txt", b"1\n0.5\n\n2\n"), (".csv", b"1,0.5,2\n"), (".json", b"[[1], [0.5], [2]]")],
)
def test_weights_are_read_from_every_format(suffix: str, data: bytes) -> None:
    np.testing.assert_array_equal(read_weights(NumberFile("w", suffix, data)), [1, 0.5, 2])


def test_weights_are_read_from_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.array([[True, False], [True, True]]))
    file = read_number_file(tmp_path / "w.npy", [".npy"])
    np.testing.assert_array_equal(read_weights(file), [1, 0, 1, 1])


@pytest.mark.parametrize(
    ("suffix", "data"),
    [(".txt", b"1\nheavy\n"), (".json", b'["1", 2]'), (".json", b"{}"), (".npy", b"\x93NUMPY")],
)
def test_weights_other_than_numbers_are_refused(suffix: str, data: bytes) -> None:
    with pytest.raises(DataError, match=r"^w: "):
        read_weights(NumberFile("w", suffix, data))


def test_the_batch_is_padded_with_pairs_that_do_not_count() -> None:
    batch = stack_pairs(read_point_pairs(json_file(two_sets())))
    assert batch.source.shape == batch.target.shape == (2, 3, 2)
    np.testing.assert_array_equal(batch.source[0], SOURCE)
    np.testing.assert_array_equal(batch.target[1, :2], TARGET[:2])
    np.testing.assert_array_equal(batch.weights, [[1, 0.5, 2], [1, 1, 0]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "source": [[1, 1]]}', "'source' twice"),
        ("[1, 2]", "expected {"),
        ("[]", "has no set"),
        ('{"source": [[0, 0]]}', "expected {"),
        ('{"source": [], "target": []}', "one or more"),
        ('{"source": [0, 0], "target": [0, 0]}', "one or more"),
        ('{"source": [[0, 0, 0]], "target": [[0, 0, 0]]}', "one or more"),
        ('{"source": [[0, 0], [0]], "target": [[0, 0]]}', "different lengths"),
        ('{"source": [["a", 0]], "target": [[0, 0]]}', "not a number"),
        ('{"source": {"a": 0}, "target": [[0, 0]]}', "not a number"),
        (f'{{"source": [[1{"0" * 400}, 0]], "target": [[0, 0]]}}', "not a number"),
        ('{"source": [[null, 0]], "target": [[0, 0]]}', "source point 1 is (nan, 0), not finite"),
        ('{"source": [[0, 0]], "target": [[NaN, 0]]}', "target point 1 is (nan, 0), not finite"),
        ('{"source": [[0, 0]], "target": [[0, -Infinity]]}', "not finite"),
        ('{"source": [[0, 0], [1, 1]], "target": [[0, 0]]}', "2 source and 1 target"),
        ('{"source": [[0, 0], [12, 1]], "target": [[0, 0], [1, 1]]}', "point 2 is (12, 1), far"),
        ('{"source": [[0, 0]], "target": [[-0.51, 0]]}', "divide pixel positions by width"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "weights": [1, 1]}', "weights of shape (1,)"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "weights": [0]}', "all weights are 0"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "weights": [-1]}', "weight of pair 1 is -1"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "weights": [Infinity]}', "weight of pair 1"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "weight": [0]}', "did you mean weights?"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "name": ["a"]}', "name is ['a']"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "name": ""}', "cannot name a set"),
        ('{"source": [[0, 0]], "target": [[0, 0]], "name": "a\\nb"}', "cannot name a set"),
    ],
)
def test_a_bad_json_is_one_line_that_names_it(text: str, words: str) -> None:
    assert_one_line(NumberFile("p.json", ".json", text.encode()), words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns"),
        ("source_x,source_y\n0,0\n", "columns"),
        ("source_x source_y target_x target_y\n0 0 0 0\n", "columns"),
        (f"{HEADER}\n", "has no pairs"),
        (f"pair,{HEADER}\n", "has no pairs"),
        (f"{HEADER}\n0,0,0\n", "line 2 has 3 fields"),
        (f"{HEADER}\n0,0,0,0\n\n0,0,0,0,0\n", "line 4 has 5 fields"),
        (f"{HEADER}\n0,0,0,left\n", "line 2: target_y is 'left', not a number"),
        (f"{HEADER}\n0,0,0,\n", "target point 1 is (0, nan), not finite"),
        (f"{HEADER},weights\n0,0,0,0,0\n", "did you mean weight?"),
        (f"{HEADER},weight\n0,0,0,0,\n", "weight of pair 1 is nan"),
        (f"pair,{HEADER}\n,0,0,0,0\n", "cannot name a set"),
        (f'{HEADER}\n0,0,0,"{"0" * 200_000}"\n', "not a valid CSV"),
    ],
)
def test_a_bad_csv_is_one_line_that_names_it(text: str, words: str) -> None:
    assert_one_line(csv_file(text), words)


def test_the_error_names_the_set() -> None:
    sets = two_sets()
    sets[0]["source"] = [[0, 0], [0, 0], [0, 7]]
    assert_one_line(json_file(sets), "set 'walk': source point 3 is (0, 7)")
    sets = two_sets()
    sets[1]["target"] = [[0, 0]]
    assert_one_line(json_file(sets), "set 2: expected equal numbers of source and target points")


def test_two_sets_of_one_name_are_refused() -> None:
    sets = two_sets()
    sets[0]["name"] = 2
    assert_one_line(json_file(sets), "two sets are called '2'")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"source": np.zeros((1, 2))}, "arrays source and target"),
        ({"source": np.zeros((1, 2)), "target": np.array([None, 1])}, "not a readable .npz"),
        ({"source": np.zeros((2, 1, 2)), "target": np.zeros((1, 1, 2))}, "equal numbers of sets"),
        (
            {"source": np.zeros((2, 3, 2)), "target": np.zeros((2, 3, 2)), "weights": np.ones(3)},
            "equal numbers of sets",
        ),
        ({"source": np.zeros((0, 1, 2)), "target": np.zeros((0, 1, 2))}, "has no set"),
        ({"source": np.zeros((1, 2)), "target": np.zeros((1, 2)), "weight": 1}, "did you mean"),
        ({"source": np.zeros((1, 2), complex), "target": np.zeros((1, 2))}, "not a number"),
    ],
)
def test_a_bad_archive_is_one_line_that_names_it(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    assert_one_line(npz_file(tmp_path, arrays), words)


def test_a_damaged_archive_is_a_data_error() -> None:
    assert_one_line(NumberFile("p.npz", ".npz", b"PK\x03\x04 and no more"), "not a readable .npz")


def test_text_that_is_not_utf8_is_a_data_error() -> None:
    assert_one_line(NumberFile("p.json", ".json", b"\xff\xfe\x00"), "UTF-8")


def test_the_content_of_a_stream_determines_its_format(tmp_path: Path) -> None:
    archive = npz_file(tmp_path, {"source": SOURCE, "target": TARGET}).data
    row = b"source_x,source_y,target_x,target_y\n0.1,0.2,0.2,0.2\n"
    for data, count in (
        (b' \n {"source": [[0.1, 0.2]], "target": [[0.2, 0.2]]}', 1),
        (b'\xef\xbb\xbf[{"source": [[0.1, 0.2]], "target": [[0.2, 0.2]]}]', 1),
        (row, 1),
        (archive, 3),
    ):
        pairs = one(number_file(data, "standard input", PAIR_SUFFIXES))
        np.testing.assert_array_equal(pairs.source, SOURCE[:count])
