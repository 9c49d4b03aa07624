import json
from pathlib import Path
from typing import Any

import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.comparison import Comparison, compare, differences, read_run

FACES = {"name": "faces", "version": "1", "weights": "00", "options": {}}


def write(
    path: Path, *, frames: int = 8, keypoints: dict[str, Any] | None = None, **values: float | None
) -> str:
    document = {
        "schema": 1,
        **values,
        "extractors": {"keypoints": keypoints},
        "videos": [{"name": "a", "frames": frames}],
    }
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(document))
    return str(path)


def best(comparison: Comparison) -> set[tuple[str, str, str]]:
    return {(method, column.data, column.measure.key) for method, column in comparison.best}


def test_best_is_low_or_high_as_the_measure_has_it(tmp_path: Path) -> None:
    runs = [
        read_run(write(tmp_path / "one.json", l1=0.04, l1_videos=0.04, psnr=20.0, akd=3.0)),
        read_run(write(tmp_path / "two.json", l1=0.05, l1_videos=0.05, psnr=25.0, akd=None)),
    ]
    comparison = compare(runs)
    assert [column.measure.key for column in comparison.columns] == ["l1", "psnr", "akd"]
    assert comparison.methods == ["one", "two"]
    assert best(comparison) == {("one", "", "l1"), ("two", "", "psnr")}
    assert comparison.text("two", comparison.columns[2]) == ""
    assert comparison.text("one", comparison.columns[0]) == "0.04000"


def test_what_is_printed_alike_is_equally_good(tmp_path: Path) -> None:
    runs = [
        read_run(write(tmp_path / f"{name}.json", l1=value))
        for name, value in (("a", 0.0400001), ("b", 0.0400002), ("c", 0.05))
    ]
    assert best(compare(runs)) == {("a", "", "l1"), ("b", "", "l1")}


def test_labels_name_methods_and_data_sets(tmp_path: Path) -> None:
    given = [
        f"ours/vox={write(tmp_path / '1.json', l1=0.04)}",
        f"theirs/vox={write(tmp_path / '2.json', l1=0.05)}",
        f"theirs/taichi={write(tmp_path / '3.json', l1=0.06, akd=2.0)}",
        f"ours/taichi={write(tmp_path / '4.json', l1=0.07, akd=1.0)}",
    ]
    comparison = compare([read_run(each) for each in given])
    assert comparison.methods == ["ours", "theirs"]
    assert [(column.data, column.measure.key) for column in comparison.columns] == [
        ("vox", "l1"),
        ("taichi", "l1"),
        ("taichi", "akd"),
    ]
    assert best(comparison) == {
        ("ours", "vox", "l1"),
        ("theirs", "taichi", "l1"),
        ("ours", "taichi", "akd"),
    }


def test_a_folder_of_a_run_holds_the_document(tmp_path: Path) -> None:
    write(tmp_path / "step-100" / "metrics.json", l1=0.5)
    run = read_run(str(tmp_path / "step-100"))
    assert (run.method, run.values["l1"]) == ("step-100", 0.5)


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path: Path) -> None:
    assert read_run(write(tmp_path / "lr=3.json", l1=0.5)).method == "lr=3"


def test_two_runs_of_one_name_are_refused(tmp_path: Path) -> None:
    runs = [read_run(write(tmp_path / folder / "a.json", l1=0.5)) for folder in "xy"]
    with pytest.raises(DataError, match=r"^a: two runs have this name; give each one as LABEL="):
        compare(runs)


@pytest.mark.parametrize(
    "content",
    ["not JSON", "[]", "{}", '{"videos": [3]}', '{"videos": [], "l1": "small"}', "\udcff"],
)
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=r"a\.json: is not what `cpabmm metrics --json` prints"):
        read_run(str(path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json: cannot be read"):
        read_run(str(tmp_path / "a.json"))


def test_runs_that_were_measured_alike_differ_in_nothing(tmp_path: Path) -> None:
    runs = [read_run(write(tmp_path / f"{name}.json", l1=0.5, keypoints=FACES)) for name in "ab"]
    assert differences(runs) == []


@pytest.mark.parametrize("other", [{"weights": "11"}, {"version": "2"}, {"options": {"size": "9"}}])
def test_other_weights_are_one_line(tmp_path: Path, other: dict[str, Any]) -> None:
    first = read_run(write(tmp_path / "a.json", akd=1.0, keypoints=FACES))
    second = read_run(write(tmp_path / "b.json", akd=2.0, keypoints={**FACES, **other}))
    assert differences([first, second]) == [
        "a and b: AKD, MKR measured with other extractors or weights; do not compare them"
    ]


def test_what_was_left_out_in_one_run_is_no_difference(tmp_path: Path) -> None:
    first = read_run(write(tmp_path / "a.json", akd=1.0, keypoints=FACES))
    assert differences([first, read_run(write(tmp_path / "b.json", l1=0.5))]) == []


def test_other_videos_are_one_line_but_not_of_another_data_set(tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{frames}.json", frames=frames, l1=0.5) for frames in (8, 9))
    assert differences([read_run(f"a={first}"), read_run(f"b={second}")]) == [
        "a and b: measured on other videos, or on other numbers of frames"
    ]
    assert differences([read_run(f"a/vox={first}"), read_run(f"a/taichi={second}")]) == []
