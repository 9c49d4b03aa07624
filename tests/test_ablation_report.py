"""The report of the ablation, and the whole of it in small."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ablation import __main__ as tool
from ablation.curves import draw_curves
from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.intervals import Table, interval, paired_difference
from ablation.panels import MAX_BYTES, in_lines, tile_names, write_panel
from ablation.records import STATIC, Record, read_records
from ablation.report import PAGES, Files, document, replace_block
from ablation.rows import ROWS
from ablation.store import Key, Store, read_lines
from ablation.tables import METRICS, Comparison, candidate_table, difference_table, value_table

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.bootstrap import confidence_interval
from cpabmm_core.puppets import write_puppets

ROOT = Path(__file__).parents[1]
L1 = METRICS[0]


def table(totals: Any, counts: Any = None) -> Table:  # noqa: ANN401
    sums = np.asarray(totals, np.float64)
    return Table(sums, np.ones_like(sums) if counts is None else np.asarray(counts, np.float64))


def test_with_one_seed_the_interval_is_that_of_the_metrics() -> None:
    random = np.random.default_rng(3)
    totals, counts = random.normal(5, 1, 30), random.integers(1, 9, 30)
    found = interval(table([totals], [counts]))
    expected = confidence_interval(totals.tolist(), counts.tolist())
    assert found is not None
    assert expected is not None
    width = expected[1] - expected[0]
    assert found.value == pytest.approx(totals.sum() / counts.sum())
    assert found[1:] == pytest.approx(expected, abs=0.1 * width)


def test_seeds_that_disagree_widen_the_interval() -> None:
    videos = np.linspace(1, 2, 20)
    agreeing, differing = (
        interval(table([videos + shift for shift in (-far, 0, far)])) for far in (0.0, 1.0)
    )
    assert agreeing is not None
    assert differing is not None
    assert agreeing.low is not None
    assert differing.low is not None
    assert agreeing.value == pytest.approx(differing.value)
    assert agreeing.value - differing.low > 3 * (agreeing.value - agreeing.low)


def test_what_both_rows_share_cancels_in_the_difference() -> None:
    random = np.random.default_rng(4)
    common = random.normal(0, 10, (3, 12))
    found = paired_difference(table(common + 0.25), table(common))
    assert found is not None
    assert found == pytest.approx((0.25, 0.25, 0.25))
    assert found.excludes_zero


def test_one_video_has_no_interval() -> None:
    assert interval(table([[2.0], [4.0]])) == (3.0, None, None)
    assert paired_difference(table([[2.0]]), table([[1.0]])) == (1.0, None, None)
    assert interval(table([[0.0, 0.0]], [[0, 0]])) is None


def record(row: str, seed: int, l1: list[float], **facts: object) -> Record:
    sums = {
        "l1": tuple((value, 2) for value in l1),
        "still": tuple((1.0, 2) for _ in l1),
        "akd": tuple((value, 1 + i % 2) for i, value in enumerate(l1)),
    }
    names = tuple(f"v{i}" for i in range(len(l1)))
    return Record(Key("puppets", row, seed), facts, names, sums)


def test_a_record_is_read_as_it_was_written() -> None:
    one = record("tps", 2, [0.5, 0.25], parameters=7, machine="a CPU", commit="abc")
    assert Record.from_line(json.loads(one.as_line())) == one


def test_a_run_on_a_gpu_names_it_and_has_no_processor_time() -> None:
    machine = {"cpu": "Xeon", "threads": 1, "instruction_set": "AVX2", "system": "Linux"}
    machine |= {"python": "3.12", "packages": {"torch": "2.11"}, "date": "2026-11-28"}
    line = {"set": "puppets", "row": "tps", "seed": 0, "machine": machine, "gpu": "H200"}
    video = {"name": "v0", "sums": {"l1": [0.5, 2], "still": [1.0, 2]}}
    facts = Record.from_result({**line, "videos": [video]}).facts
    assert "processor_seconds_per_step" not in facts
    assert str(facts["machine"]).startswith("H200 and Xeon, 1 thread, AVX2; Linux; Python 3.12")
    on_processor = Record.from_result({**line, "gpu": None, "videos": [video]}).facts
    assert str(on_processor["machine"]).startswith("Xeon, 1 thread, ")


def test_a_validation_is_relative_to_the_static_baseline() -> None:
    video = {"name": "v0", "sums": {"l1": [0.5, 2], "still": [1.0, 2]}}
    validation = [{"step": 100, "l1": 0.03, "standing_still": 0.04}]
    line = {"set": "puppets", "row": "tps", "seed": 0, "videos": [video], "validation": validation}
    one = Record.from_result(line)
    assert one.facts["validation"] == [[100, 0.75]]
    assert Record.from_line(json.loads(one.as_line())) == one


def test_the_share_of_the_background_is_that_of_all_contributions() -> None:
    video = {"name": "v0", "sums": {"l1": [0.5, 2], "still": [1.0, 2]}}
    line = {"set": "puppets", "row": "tps", "seed": 0, "videos": [video]}
    assert Record.from_result({**line, "use": [6.0, 1.0, 1.0]}).facts["background"] == 0.75
    assert "background" not in Record.from_result({**line, "use": [0.0, 0.0]}).facts


def test_a_curve_falls_with_the_error() -> None:
    falling = record("cpab", 0, WORSE, validation=[[100, 0.9], [200, 0.6]])
    others = [record("cpab", 1, WORSE), record("no-warp", 0, WORSE, validation=[[100, 0.9]])]
    svg = draw_curves([falling, *others])
    [points] = re.findall(r'<polyline points="([^"]+)"', svg)
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in points.split())
    assert x1 > x0
    assert y1 > y0  # further down the picture
    assert svg.count("<g ") == 1


def write_records(path: Path, *records: Record) -> Path:
    path.write_text("".join(f"{each.as_line()}\n" for each in records), encoding="utf-8")
    return path


def test_of_a_run_in_several_files_the_last_one_counts(tmp_path: Path) -> None:
    old = write_records(tmp_path / "old", record("tps", 0, WORSE), record("cpab", 0, WORSE))
    new = write_records(tmp_path / "new", record("cpab", 0, BETTER), record("cpab", 1, BETTER))
    found = {each.key: each.sums["l1"][0][0] for each in read_records(old, new)}
    keys = [Key("puppets", *run) for run in (("tps", 0), ("cpab", 0), ("cpab", 1))]
    assert found == dict(zip(keys, (WORSE[0], BETTER[0], BETTER[0]), strict=True))


def test_a_file_without_runs_is_refused_by_its_name(tmp_path: Path) -> None:
    some = write_records(tmp_path / "some", record("tps", 0, WORSE))
    with pytest.raises(DataError, match="none: has no results"):
        read_records(some, tmp_path / "none")


def test_a_picture_shows_the_first_seed_of_each_row_whose_model_is_at_hand(tmp_path: Path) -> None:
    old = write_records(tmp_path / "old", record("tps", 0, WORSE), record("cpab", 0, BETTER))
    files = Files(tmp_path, "collapse")
    files.page.parent.mkdir(parents=True)
    files.page.write_text("<!-- ablation: puppets -->\n<!-- end of ablation -->\n", "utf-8")
    drawn: list[tuple[Path, str, int]] = []

    def draw(runs: Sequence[tuple[Store, Key]], path: Path) -> None:
        if path.name == "collapse-puppets.png":
            drawn.extend((store.folder, key.row, key.seed) for store, key in runs)

    assert document([old], files, draw) == []
    assert drawn == []
    videos = [{"name": f"v{i}", "sums": {"l1": [0.5, 2], "still": [1.0, 2]}} for i in range(4)]
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    for store, row, seed in (
        (one, "fomm", 2),
        (one, "cpab", 1),
        (two, "fomm", 1),
        (two, "cpab", 2),
    ):
        store.add(Key("puppets", row, seed), {"videos": videos})
    one.add(Key("taichi", "tps", 0), {"videos": videos})
    assert document([old, one.folder, two.folder], files, draw) == ["taichi"]
    assert drawn[:2] == [(one.folder, "cpab", 1), (two.folder, "fomm", 1)]


@pytest.mark.parametrize(
    ("seeds", "names"), [((1, 1), ["tps", "cpab"]), ((1, 0), ["tps, 1", "cpab, 0"])]
)
def test_seeds_are_named_in_a_picture_if_they_differ(seeds: list[int], names: list[str]) -> None:
    keys = [Key("puppets", row, seed) for row, seed in zip(("tps", "cpab"), seeds, strict=True)]
    assert tile_names(keys) == names


def test_a_record_has_a_result_with_five_digits() -> None:
    line = {
        "set": "puppets",
        "row": "tps",
        "seed": 0,
        "parameters": 7,
        "all_settings": {"a": 1},
        "videos": [
            {"name": "a", "sums": {"l1": [0.123456789, 2], "akd": [3.0, 1]}},
            {"name": "b", "sums": {"l1": [1.0, 2]}},
        ],
    }
    found = Record.from_result(line)
    assert found.sums == {"l1": ((0.12346, 2), (1.0, 2)), "akd": ((3.0, 1), (0.0, 0))}
    assert found.facts == {"parameters": 7}


BETTER, WORSE = [0.40, 0.52, 0.61, 0.45], [0.50, 0.62, 0.71, 0.55]


def test_the_best_value_is_bold_only_if_it_surely_differs_from_splines() -> None:
    sure = Comparison([record("tps", 0, WORSE), record("cpab", 0, BETTER)])
    assert sure.best(L1) == "cpab"
    assert "| `cpab` | **0.495**<br>" in value_table(sure)
    unsure = Comparison([record("tps", 0, WORSE), record("cpab", 0, [0.4, 0.7, 0.6, 0.6])])
    assert unsure.best(L1) is None
    assert "**" not in value_table(unsure)
    splines = Comparison([record("tps", 0, BETTER), record("cpab", 0, WORSE)])
    assert splines.best(L1) == "tps"


def test_the_static_baseline_is_read_from_any_run_that_has_it() -> None:
    plain, other = record("tps", 0, WORSE), record("cpab", 0, BETTER)
    sums = {**other.sums, f"{STATIC}akd": tuple((4.5, 1) for _ in BETTER)}
    runs = Comparison([plain, replace(other, sums=sums)])
    _, _, line, *rows = value_table(runs).splitlines()
    assert [cell.strip() for cell in line.split("|")[1:4]] == [
        "static baseline",
        "1.000",
        "4.500<br>4.500 to 4.500",
    ]
    assert len(rows) == 2
    _, _, line, *_ = value_table(Comparison([plain])).splitlines()
    assert [cell.strip() for cell in line.split("|")[2:4]] == ["1.000", "-"]


def test_differences_are_taken_over_the_seeds_that_both_have() -> None:
    runs = Comparison(
        [record("tps", 0, WORSE), record("cpab", 0, BETTER), record("cpab", 1, [9.0] * 4)]
    )
    found = runs.difference("cpab", "tps", L1)
    assert found is not None
    assert found.value == pytest.approx(-0.1)
    assert "| `cpab` | `tps` | **-0.100**<br>" in difference_table(runs)
    assert Comparison([record("cpab", 1, BETTER)]).difference("cpab", "tps", L1) is None


def test_a_row_without_its_baseline_has_no_table_of_differences() -> None:
    runs = Comparison([record("cpab", 0, [0.5, 0.6])])
    assert difference_table(runs) == ""
    assert "`cpab`" in value_table(runs)


@pytest.mark.parametrize(
    ("norm", "text"), [(0.0597, "0.06"), (0.00085, "0.00085"), (3.48e-05, "3e-05"), (0.0, "0")]
)
def test_a_small_gradient_is_not_shown_as_zero(norm: float, text: str) -> None:
    facts = {"gradient_candidates": norm, "gradient_heatmaps": 1.5, "groups_in_use": 9.0}
    shown = candidate_table(Comparison([record("cpab", 0, [0.5, 0.6], **facts)]))
    assert f" | {text} | 1.5 | " in shown


def test_runs_that_were_scored_on_different_videos_are_not_compared() -> None:
    with pytest.raises(DataError, match="puppets: its runs were scored on different videos"):
        Comparison([record("tps", 0, WORSE), record("cpab", 0, BETTER[:3])])


@pytest.mark.parametrize(
    "words",
    [["--data", "puppets"], ["--data", "faces=here"], ["--steps", "0"], ["--rows", "tpss"]],
)
def test_a_wrong_word_of_the_command_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        tool.main(["run", "--out", "runs", "--data", "taichi=here", *words])
    assert refused.value.code == 2
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("tiles", "lines", "width"), [(3, 1, 3), (9, 1, 9), (10, 2, 5), (19, 3, 7)]
)
def test_tiles_are_spread_over_lines_evenly(tiles: int, lines: int, width: int) -> None:
    sheet = in_lines([np.full((20, 10, 3), 40, np.uint8)] * tiles)
    assert sheet.shape[0] == 20 * lines
    assert sheet.shape[1] == 10 * width + 4 * (width - 1)  # with gaps
    assert (sheet[-1] == 40).all(-1).sum() == 10 * (tiles - width * (lines - 1))


def test_only_the_places_of_a_page_change() -> None:
    page = "# A\n\n<!-- ablation: puppets -->\nold\n<!-- end of ablation -->\n\nkept\n"
    new, found = replace_block(page, "puppets", "new")
    assert found
    assert new == ("# A\n\n<!-- ablation: puppets -->\n\nnew\n\n<!-- end of ablation -->\n\nkept\n")
    assert replace_block(new, "puppets", "new") == (new, True)
    assert replace_block(page, "actions", "new") == (page, False)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_place_for_every_set(name: str) -> None:
    page = Files(ROOT, name).page.read_text(encoding="utf-8")
    for block in (*DATA_SETS, "records"):
        assert replace_block(page, block, "")[1]


def test_the_first_page_describes_every_row() -> None:
    page = Files(ROOT).page.read_text(encoding="utf-8")
    assert replace_block(page, "rows", "")[1]
    for row in ROWS:
        assert f"| `{row.name}` |" in page


TINY = [
    *("data.frame_size=32", "training.batch_size=2", "training.mixed_precision=no"),
    "model.keypoints.backbone=test_efficientnet",
    "model.keypoints.head=regression",
    "model.keypoints.groups=2",
    "model.background=null",
    "model.cpab.cells=2",
    "model.dense_motion.block_expansion=4",
    "model.dense_motion.max_features=16",
    "model.inpainting.block_expansion=4",
    "model.inpainting.max_features=16",
]


@pytest.mark.slow
def test_train_score_and_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_puppets(tmp_path / "raw", videos=3, test_videos=2, frames=6, size=32, seed=0)
    out, rows = tmp_path / "runs", ["tps", "tps-to-cpab-4", "tps-to-cpab-tuned"]
    words = ["run", "--data", f"puppets={tmp_path / 'raw'}", "--out", str(out), "--seeds", "5"]
    words += ["--steps", "3", "--tuning-steps", "1", "--rows", *rows, "--set", *TINY]
    threads = torch.get_num_threads()
    assert tool.main(words) == 0
    assert torch.get_num_threads() == threads == 1
    results = Store(out).results()
    assert {key.row for key in results} == set(rows)
    tps = results[Key("puppets", "tps", 5)]
    assert tps["steps"] == len(tps["validation"]) == 3
    assert all(tps["videos"][0]["sums"][name][1] == 6 for name in ("l1", "psnr", "still", "mkr"))
    static = [video["sums"]["static_akd"] for video in tps["videos"]]
    assert [count for _, count in static] == [6, 6]
    assert all(total > 0 for total, _ in static)
    assert tps["extractors"] == {"keypoints": "puppets", "identity": "puppets"}
    kept = {path.name for path in (out / "puppets" / "tps" / "seed-5").iterdir()}
    assert {"model.safetensors", "config.yaml"} <= kept
    assert not {"states", "best.safetensors", "panels"} & kept

    assert tool.main(words) == 0
    assert len(read_lines(out / "results.jsonl")) == len(rows)
    assert tool.main(["evaluate", str(out), "--rows", "tps", "--seeds", "5"]) == 0
    again = Store(out).results()[Key("puppets", "tps", 5)]
    assert again["videos"] == tps["videos"]

    files = Files(tmp_path)
    files.page.parent.mkdir(parents=True)
    files.page.write_text(Files(ROOT).page.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "docs" / "images").mkdir()
    assert document([out], files, write_panel) == []
    picture = tmp_path / "docs" / "images" / "ablation-puppets.png"
    assert 0 < picture.stat().st_size <= MAX_BYTES
    assert read_records(files.records) == sorted(read_records(out), key=lambda r: r.key)
    capsys.readouterr()
    assert tool.main(["report", str(files.records)]) == 0
    printed = capsys.readouterr().out
    assert value_table(Comparison(read_records(out))) in printed
    assert value_table(Comparison(read_records(out))) in files.page.read_text(encoding="utf-8")
