import json
from pathlib import Path
from typing import Any

import pytest

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.comparison import (
    Comparison,
    compare_runs,
    comparison_warnings,
    read_run,
)

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
    return {(method, column.data, column.metric.key) for method, column in comparison.best}


def test_best_follows_the_direction_of_the_metric(tmp_path: Path) -> None:
    runs = [
        read_run(write(tmp_path / "one.json", l1=0.04, l1_videos=0.04, psnr=20.0, akd=3.0)),
        read_run(write(tmp_path / "two.json", l1=0.05, l1_videos=0.05, psnr=25.0, akd=None)),
    ]
    comparison = compare_runs(runs)
    assert [column.metric.key for column in comparison.columns] == ["l1", "psnr", "akd"]
    assert comparison.methods == ["one", "two"]
    assert best(comparison) == {("one", "", "l1"), ("two", "", "psnr")}
    assert comparison.text("two", comparison.columns[2]) == ""
    assert comparison.text("one", comparison.columns[0]) == "0.04000"


def test_values_that_print_equally_are_all_best(tmp_path: Path) -> None:
    runs = [
        read_run(write(tmp_path / f"{name}.json", l1=value))
        for name, value in (("a", 0.0400001), ("b", 0.0400002), ("c", 0.05))
    ]
    assert best(compare_runs(runs)) == {("a", "", "l1"), ("b", "", "l1")}


def test_labels_name_methods_and_data_sets(tmp_path: Path) -> None:
    sources = [
        f"ours/vox={write(tmp_path / '1.json', l1=0.04)}",
        f"theirs/vox={write(tmp_path / '2.json', l1=0.05)}",
        f"theirs/taichi={write(tmp_path / '3.json', l1=0.06, akd=2.0)}",
        f"ours/taichi={write(tmp_path / '4.json', l1=0.07, akd=1.0)}",
    ]
    comparison = compare_runs([read_run(source) for source in sources])
    assert comparison.methods == ["ours", "theirs"]
    assert [(column.data, column.metric.key) for column in comparison.columns] == [
        ("vox", "l1"),
        ("taichi", "l1"),
        ("taichi", "akd"),
    ]
    assert best(comparison) == {
        ("ours", "vox", "l1"),
        ("theirs", "taichi", "l1"),
        ("ours", "taichi", "akd"),
    }


def test_the_folder_of_a_run_contains_the_document(tmp_path: Path) -> None:
    write(tmp_path / "step-100" / "metrics.json", l1=0.5)
    run = read_run(str(tmp_path / "step-100"))
    assert (run.method, run.values["l1"]) == ("step-100", 0.5)


def test_a_file_name_may_contain_an_equals_sign(tmp_path: Path) -> None:
    assert read_run(write(tmp_path / "lr=3.json", l1=0.5)).method == "lr=3"


def test_two_runs_with_one_label_are_rejected(tmp_path: Path) -> None:
    runs = [read_run(write(tmp_path / folder / "a.json", l1=0.5)) for folder in "xy"]
    with pytest.raises(DataError, match=r"^a: two runs have this label; name each one as LABEL="):
        compare_runs(runs)


@pytest.mark.parametrize(
    "content",
    ["not JSON", "[]", "{}", '{"videos": [3]}', '{"videos": [], "l1": "small"}', "\udcff"],
)
def test_other_files_are_rejected(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(
        DataError, match=r"a\.json: not a metrics document .*; evaluate the videos again"
    ):
        read_run(str(path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json: cannot be read"):
        read_run(str(tmp_path / "a.json"))


def test_comparable_runs_cause_no_warning(tmp_path: Path) -> None:
    runs = [read_run(write(tmp_path / f"{name}.json", l1=0.5, keypoints=FACES)) for name in "ab"]
    assert comparison_warnings(runs) == []


@pytest.mark.parametrize("other", [{"weights": "11"}, {"version": "2"}, {"options": {"size": "9"}}])
def test_different_weights_cause_one_warning(tmp_path: Path, other: dict[str, Any]) -> None:
    first = read_run(write(tmp_path / "a.json", akd=1.0, keypoints=FACES))
    second = read_run(write(tmp_path / "b.json", akd=2.0, keypoints={**FACES, **other}))
    assert comparison_warnings([first, second]) == [
        "a and b: AKD and MKR come from different extractors or weights; do not compare them"
    ]


def test_a_metric_missing_in_one_run_causes_no_warning(tmp_path: Path) -> None:
    first = read_run(write(tmp_path / "a.json", akd=1.0, keypoints=FACES))
    assert comparison_warnings([first, read_run(write(tmp_path / "b.json", l1=0.5))]) == []


def test_different_videos_cause_one_warning_per_data_set(tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{frames}.json", frames=frames, l1=0.5) for frames in (8, 9))
    assert comparison_warnings([read_run(f"a={first}"), read_run(f"b={second}")]) == [
        "a and b: evaluated on different videos or numbers of frames"
    ]
    assert comparison_warnings([read_run(f"a/vox={first}"), read_run(f"a/taichi={second}")]) == []


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"l1": 0.25, "l1": 0.5, "videos": []}')
    with pytest.raises(DataError, match=r"a\.json: not a metrics document .*key 'l1' twice"):
        read_run(str(file))
