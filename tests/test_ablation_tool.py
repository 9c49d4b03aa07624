"""The ablation: its rows and sets, shared folders of runs, scores, intervals and report."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from ablation import __main__ as tool
from ablation import candidates, scores
from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.data_sets import prepare
from ablation.intervals import Table, interval, paired_difference
from ablation.panels import MAX_BYTES, write_panel
from ablation.records import Record, read_records
from ablation.report import PAGE, RECORDS, document, replace_block
from ablation.rows import BY_NAME, LITE0, ROWS, select_rows
from ablation.running import Ablation
from ablation.store import FAILURES, Budget, Key, Store, read_lines
from ablation.tables import METRICS, Comparison, difference_table, value_table
from ablation.training import StepClock, Task, stretched_schedule

from cpabmm_core.config import Config, load_config
from cpabmm_core.data import PairSampler
from cpabmm_core.errors import ConfigError, DataError, TrainingError, TrainingStopped
from cpabmm_core.metrics import unexplained_share
from cpabmm_core.metrics.bootstrap import confidence_interval
from cpabmm_core.models import build_model
from cpabmm_core.puppets import write_puppets

ROOT = Path(__file__).parents[1]
L1 = METRICS[0]


def config_of(name: str) -> Config:
    settings = [text.replace(LITE0, "lite0.pth") for text in BY_NAME[name].settings]
    return load_config(BY_NAME[name].config, settings)


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if isinstance(values, dict):
        for name, value in values.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    else:
        yield path, values


def changed_keys(one: str, other: str) -> set[str]:
    first, second = (dict(leaves(config_of(name).model_dump(mode="json"))) for name in (one, other))
    return {key for key in first.keys() | second.keys() if first.get(key) != second.get(key)}


# Rows


@pytest.mark.parametrize(
    ("row", "other", "keys"),
    [
        ("cpab-global", "cpab", {"model.cpab.global_cells"}),
        ("cpab-paper", "cpab", {"model.cpab.fit"}),
        ("cpab-detached", "cpab", {"model.cpab.fit"}),
        ("tps", "cpab-global", {"model.motion"}),
        ("cpab-global-6-8", "cpab-global", {"model.cpab.cells", "model.cpab.global_cells"}),
        ("no-balance", "cpab-global", {"losses.balance"}),
        ("tps-to-cpab-tuned", "tps-tuned", {"model.motion", "model.cpab.global_cells"}),
    ],
)
def test_a_row_differs_from_another_in_nothing_else(row: str, other: str, keys: set[str]) -> None:
    assert changed_keys(row, other) == keys


@pytest.mark.parametrize("row", ["fomm", "mraa"])
def test_a_peer_shares_data_and_length_of_training(row: str) -> None:
    changed = changed_keys(row, "tps")
    assert changed
    shared = {"training.batch_size", "training.accumulation", "training.ema"}
    assert not [key for key in changed if key.startswith("data.") or key in shared]


def test_what_a_row_begins_with_or_is_compared_with_comes_before_it() -> None:
    names = [row.name for row in ROWS]
    for number, row in enumerate(ROWS):
        for other in (row.baseline, row.start):
            assert other is None or other in names[:number]


@pytest.mark.parametrize("row", [row.name for row in ROWS])
def test_every_row_has_a_model(row: str) -> None:
    config = config_of(row)
    assert build_model(config).motion_kind == config.model.motion


def test_rows_are_selected_by_plan_and_by_name() -> None:
    assert [row.name for row in select_rows(["recipe"])] == ["no-balance", "perceptual"]
    assert [row.name for row in select_rows([], ["fomm", "tps"])] == ["tps", "fomm"]
    assert len(select_rows()) == len(ROWS)
    with pytest.raises(ConfigError, match="tpss: there is no such row"):
        select_rows([], ["tpss"])
    with pytest.raises(ConfigError, match="motions: there is no such plan"):
        select_rows(["motions"])


@pytest.mark.parametrize(("clips", "steps"), [(600, 1000), (47, 1000), (11, 200), (1, 7)])
def test_the_schedule_spans_the_run_on_every_set(clips: int, steps: int) -> None:
    plain = load_config("puppets-64")
    config = load_config("puppets-64", stretched_schedule(plain, clips, steps))
    sampler = PairSampler(clips, config.data.repeats, config.training.batch_size, 0)
    per_epoch = sampler.steps_per_epoch
    places = [milestone * per_epoch / steps for milestone in config.training.milestones]
    assert places == pytest.approx([3 / 4, 3.7 / 4], abs=1e-3)
    dropout = config.training.candidate_dropout
    assert dropout.ramp_epochs * per_epoch / steps == pytest.approx(1 / 4, abs=1e-3)
    assert dropout.until_epoch * per_epoch / steps == pytest.approx(2.5 / 4, abs=1e-3)


# Data sets


def named_strips(folder: Path, *names: str) -> Path:
    from PIL import Image

    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (16, 8)).save(folder / name)
    return folder


def test_videos_are_held_out_by_name(tmp_path: Path) -> None:
    named_strips(tmp_path / "raw" / "train", "00000003.png", "00000011.png", "00000010.png")
    made = prepare(DATA_SETS["actions"], tmp_path / "raw", tmp_path / "made")
    parts = {
        part: sorted(path.name for path in (made / part).iterdir()) for part in os.listdir(made)
    }
    assert parts == {"train": ["00000010.png", "00000011.png"], "test": ["00000003.png"]}
    assert not list(tmp_path.glob(".made*"))


def test_the_clips_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    named_strips(tmp_path / "raw", "02.png", "03.png")
    made = prepare(DATA_SETS["taichi"], tmp_path / "raw", tmp_path / "made")
    assert (made / "test" / "02.png").read_bytes()
    assert (made / "train" / "03.png").read_bytes()


def test_a_set_that_comes_divided_keeps_its_parts_and_joints(tmp_path: Path) -> None:
    write_puppets(tmp_path / "raw", videos=1, test_videos=1, frames=2, size=32, seed=0)
    made = prepare(DATA_SETS["puppets"], tmp_path / "raw", tmp_path / "made")
    for part in ("train", "test"):
        assert {p.name for p in (made / part).iterdir()} == {
            p.name for p in (tmp_path / "raw" / part).iterdir()
        }
    assert json.loads((made / "test" / "00000.json").read_text())["split"] == "test"


def test_a_set_without_held_out_videos_is_refused(tmp_path: Path) -> None:
    named_strips(tmp_path / "raw", "77.png")
    with pytest.raises(DataError, match="no video for test; the set taichi holds out 02, 11"):
        prepare(DATA_SETS["taichi"], tmp_path / "raw", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_folder_that_another_process_has_made_is_kept(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    assert (
        list(prepare(DATA_SETS["taichi"], tmp_path / "missing", tmp_path / "made").iterdir()) == []
    )


# The folder of runs

KEY = Key("puppets", "tps", 0)


def hold(folder: Path, note: Path) -> None:
    """Claim a run and keep it until killed."""
    with Store(folder).claim(KEY) as ours:
        note.write_text(str(ours))
        signal.pause()


def test_a_claim_ends_with_a_killed_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=hold, args=(tmp_path, tmp_path / "note"))
    process.start()
    while not (tmp_path / "note").exists() or not (tmp_path / "note").read_text():
        assert process.is_alive()
        process.join(0.005)
    with Store(tmp_path).claim(KEY) as ours, Store(tmp_path).claim(KEY._replace(seed=1)) as other:
        assert (tmp_path / "note").read_text() == "True"
        assert not ours
        assert other
    process.kill()
    process.join()
    with Store(tmp_path).claim(KEY) as ours:
        assert ours


def test_a_claim_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Store(tmp_path).claim(KEY):
        _ = 1 // 0
    with Store(tmp_path).claim(KEY) as ours:
        assert ours


def test_the_last_result_of_a_run_counts_and_a_line_cut_short_does_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.settle(Budget())
    store.add(KEY, {"l1": 1.0})
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"set": "pup')
    store.add(KEY, {"l1": 2.0})
    assert [line["l1"] for line in store.results().values()] == [2.0]


def test_runs_of_another_budget_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    store.settle(Budget(steps=5, settings=("training.batch_size=2",)))
    store.settle(Budget(steps=5, settings=("training.batch_size=2",)))
    with pytest.raises(ConfigError, match="has runs of another budget"):
        store.settle(Budget(steps=6))
    with pytest.raises(DataError, match="holds no ablation"):
        Store(tmp_path / "empty").budget()


class Fake(Ablation):
    """An ablation whose models need no scores."""

    def score(self, key: Key, row: object) -> dict[str, Any]:
        return {"score": key.seed}


def fake(
    tmp_path: Path, train: Callable[[Task], dict[str, Any]], *rows: str, **options: Any  # noqa: ANN401
) -> Fake:
    store = Store(tmp_path)
    store.settle(Budget())
    sets, seeds = options.pop("sets", ["puppets"]), options.pop("seeds", [0])
    return Fake(store, select_rows([], rows), sets, seeds, train=train, **options)


def test_one_seed_of_everything_comes_first(tmp_path: Path) -> None:
    order: list[Key] = []

    def train(task: Task) -> dict[str, Any]:
        order.append(task.key)
        return {"steps": task.steps}

    runs = fake(tmp_path, train, "tps", "cpab", sets=["puppets", "taichi"], seeds=[0, 1])
    assert runs.run_missing() == []
    assert [key.seed for key in order] == [0] * 4 + [1] * 4
    assert [key[:2] for key in order[:4]] == [
        ("puppets", "tps"),
        ("taichi", "tps"),
        ("puppets", "cpab"),
        ("taichi", "cpab"),
    ]
    assert runs.store.results()[order[0]]["steps"] == Budget.steps
    assert runs.run_missing() == []
    assert len(order) == 8


def test_a_failed_run_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    calls: list[str] = []

    def train(task: Task) -> dict[str, Any]:
        calls.append(task.row.name)
        if task.row.name == "tps":
            raise TrainingError("loss: not finite")
        return {}

    runs = fake(tmp_path, train, "tps", "cpab", "tps-tuned", "tps-to-cpab-4")
    left = runs.run_missing()
    assert [key.row for key in left] == ["tps", "tps-to-cpab-4", "tps-tuned"]
    assert calls == ["tps", "cpab"]
    assert [key.row for key in runs.store.results()] == ["cpab"]
    [failure] = read_lines(tmp_path / FAILURES)
    assert (failure["row"], failure["trouble"]) == ("tps", "loss: not finite")


def test_a_run_of_another_process_is_left_to_it(tmp_path: Path) -> None:
    runs = fake(tmp_path, lambda _: {}, "tps", "cpab", "tps-tuned")
    with runs.store.claim(KEY):
        left = runs.run_missing()
    assert [key.row for key in left] == ["tps", "tps-tuned"]
    assert runs.run_missing() == []


def test_a_signal_ends_the_loop_between_two_runs(tmp_path: Path) -> None:
    answers = iter([None, 15])
    runs = fake(tmp_path, lambda _: {}, "tps", "cpab", stop=lambda: next(answers))
    with pytest.raises(TrainingStopped) as stopped:
        runs.run_missing()
    assert stopped.value.signal == 15
    assert [key.row for key in runs.store.results()] == ["tps"]


def test_scoring_again_keeps_the_facts_of_training(tmp_path: Path) -> None:
    runs = fake(tmp_path, lambda _: {"seconds": 3}, "tps", "cpab")
    runs.run_missing()
    runs.rows = select_rows([], ["cpab"])
    assert runs.evaluate_all() == 1
    line = runs.store.results()[KEY._replace(row="cpab")]
    assert (line["seconds"], line["score"]) == (3, 0)
    assert len(read_lines(tmp_path / "results.jsonl")) == 3


def test_a_clock_passes_on_the_signal_and_takes_medians() -> None:
    clock = StepClock(lambda: 15)
    assert clock.facts() == {"processor_seconds_per_step": None, "seconds_per_step": None}
    assert [clock() for _ in range(3)] == [15, 15, 15]
    seconds = clock.facts()["seconds_per_step"]
    assert seconds is not None
    assert 0 <= seconds < 1


# Candidates


def keypoints_on_a_grid(groups: int, per_group: int) -> torch.Tensor:  # (3, N, 2)
    """Return keypoints on the nodes of a grid of 17 x 17, all different within a frame."""
    random = np.random.default_rng(0)
    nodes = np.stack(
        [random.permutation(11 * 11)[: groups * per_group] for _ in range(3)]
    )  # inner nodes
    places = np.stack([nodes % 11 + 3, nodes // 11 + 3], axis=-1)
    return torch.tensor(places / 8 - 1, dtype=torch.float32)


@pytest.mark.parametrize("motion", ["tps", "cpab"])
def test_residuals_are_what_the_flows_leave_at_the_keypoints(motion: str) -> None:
    model = tiny_model(tiny_config(**{"model.motion": motion, "model.cpab.iterations": 1}))
    driving = keypoints_on_a_grid(2, 3)
    source = driving + 0.1 * torch.randn(driving.shape, generator=torch.manual_seed(1))
    flows = model.candidate_motion(source, driving, (17, 17))  # (3, K, 17, 17, 2)
    column, line = ((driving + 1) * 8).round().long().unbind(-1)
    expected = []
    for frame in range(3):
        at = [
            flows[frame, point // 3, line[frame, point], column[frame, point]] for point in range(6)
        ]
        expected.append((torch.stack(at) - source[frame]).norm(dim=-1).mean() * 31 / 2)
    found = candidates.fit_residuals(model, source, driving)
    torch.testing.assert_close(found.local, torch.stack(expected), atol=2e-4, rtol=1e-3)
    assert found.local.mean() > 0.01  # a perfect fit would prove nothing
    assert (found.overall is None) == (motion == "tps")
    if found.overall is not None:
        whole = flows[torch.arange(3)[:, None], 2, line, column]
        missed = (whole - source).norm(dim=-1).mean(1) * 31 / 2
        torch.testing.assert_close(found.overall, missed, atol=2e-4, rtol=1e-3)


def test_affine_maps_meet_their_keypoints() -> None:
    model = tiny_model(tiny_affine_config())
    keypoints = model.keypoints(torch.rand(4, 3, 32, 32)).detach()
    found = candidates.fit_residuals(model, keypoints[:1].expand_as(keypoints), keypoints)
    assert found.local.tolist() == [0.0] * 4
    assert found.overall is None


@pytest.mark.parametrize("fit", ["solve", "detached"])
def test_only_a_fit_with_gradients_teaches_the_keypoints(fit: str) -> None:
    model = tiny_model(tiny_config(**{"model.cpab.fit": fit}))
    images = torch.rand(2, 2, 3, 32, 32, generator=torch.manual_seed(0))
    found = candidates.detector_gradient(model, *images)
    assert (found.candidates > 0) == (fit == "solve")
    assert found.heatmaps > 0


@pytest.mark.parametrize("config", [tiny_config(), tiny_affine_config("pca")])
def test_the_two_ways_of_the_gradient_are_those_of_the_model(config: Config) -> None:
    model = tiny_model(config)
    source, driving = torch.rand(2, 2, 3, 32, 32, generator=torch.manual_seed(0))
    keypoints = model.keypoints(torch.cat([source, driving]))
    found = candidates._motion(model, source, driving, keypoints, keypoints)
    kp_source, kp_driving = keypoints.chunk(2)
    plain = model.motion(source, kp_source, kp_driving, model.background(source, driving))
    torch.testing.assert_close(found.deformation, plain.deformation)


def test_perplexity_counts_parts() -> None:
    assert candidates.perplexity(torch.tensor([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert candidates.perplexity(torch.zeros(4)) is None


# Scores


def test_shares_of_the_videos_have_the_mean_of_the_set() -> None:
    random = np.random.default_rng(0)
    joints = [random.normal(size=(6, 5, 2)) for _ in range(3)]
    keypoints = [random.normal(size=(6, 4, 2)) for _ in range(3)]
    names = [f"j{i}" for i in range(5)]
    videos = [
        scores.Video(str(i), {}, torch.ones(2), kp, {"plan": "a", "names": names, "joints": true})
        for i, (kp, true) in enumerate(zip(keypoints, joints, strict=True))
    ]
    scores._add_shares(videos)
    shares = [video.sums["unexplained"][0] for video in videos]
    assert np.mean(shares) == pytest.approx(unexplained_share(keypoints, joints).moving_share)


def test_joints_that_only_some_videos_have_do_not_count() -> None:
    random = np.random.default_rng(1)
    joints = random.normal(size=(6, 3, 2))
    keypoints = joints[:, :1]
    more = np.concatenate([random.normal(size=(6, 1, 2)), joints], axis=1)
    videos = [
        scores.Video(
            "a", {}, torch.ones(2), keypoints, {"plan": "a", "names": list("xyz"), "joints": joints}
        ),
        scores.Video(
            "b", {}, torch.ones(2), keypoints, {"plan": "a", "names": list("txyz"), "joints": more}
        ),
        scores.Video("c", {}, torch.ones(2), keypoints),
    ]
    scores._add_shares(videos)
    assert videos[0].sums["unexplained"] == pytest.approx(videos[1].sums["unexplained"])
    assert "unexplained" not in videos[2].sums


def test_a_long_video_is_read_at_even_distances(tmp_path: Path) -> None:
    from PIL import Image

    strip = np.repeat(np.arange(101, dtype=np.uint8), 8)[None, :, None].repeat(8, 0).repeat(3, 2)
    Image.fromarray(strip).save(tmp_path / "a.png")
    frames, truth = scores.read_video(tmp_path / "a.png", 5)
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 25, 50, 75, 100]
    assert truth == {}


def test_a_sum_that_json_lacks_is_left_out() -> None:
    video = scores.Video(
        "a", {"psnr": (float("inf"), 2), "l1": (0.5, 2)}, torch.ones(1), np.ones(0)
    )
    assert video.as_dict() == {"name": "a", "sums": {"l1": [0.5, 2]}}


# Intervals


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


# Records and report


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


def test_differences_are_taken_over_the_seeds_that_both_have() -> None:
    runs = Comparison(
        [record("tps", 0, WORSE), record("cpab", 0, BETTER), record("cpab", 1, [9.0] * 4)]
    )
    found = runs.difference("cpab", "tps", L1)
    assert found is not None
    assert found.value == pytest.approx(-0.1)
    assert "| `cpab` | `tps` | **-0.100**<br>" in difference_table(runs)
    assert Comparison([record("cpab", 1, BETTER)]).difference("cpab", "tps", L1) is None


def test_only_the_places_of_a_page_change() -> None:
    page = "# A\n\n<!-- ablation: puppets -->\nold\n<!-- end of ablation -->\n\nkept\n"
    new, found = replace_block(page, "puppets", "new")
    assert found
    assert new == ("# A\n\n<!-- ablation: puppets -->\n\nnew\n\n<!-- end of ablation -->\n\nkept\n")
    assert replace_block(new, "puppets", "new") == (new, True)
    assert replace_block(page, "actions", "new") == (page, False)


def test_the_page_has_a_place_for_every_set_and_names_every_row() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    for name in ("rows", *DATA_SETS):
        assert replace_block(page, name, "")[1]
    for row in ROWS:
        assert f"| `{row.name}` |" in page


# All of it

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
    out, rows = (
        tmp_path / "runs",
        ["tps", "cpab", "tps-to-cpab-4", "tps-to-cpab-tuned", "tps-tuned"],
    )
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
    assert tps["extractors"] == {"keypoints": "puppets", "identity": "puppets"}
    kept = {path.name for path in (out / "puppets" / "tps" / "seed-5").iterdir()}
    assert {"model.safetensors", "config.yaml"} <= kept
    assert not {"states", "best.safetensors", "panels"} & kept

    assert tool.main(words) == 0
    assert len(read_lines(out / "results.jsonl")) == len(rows)
    assert tool.main(["evaluate", str(out), "--rows", "tps", "--seeds", "5"]) == 0
    again = Store(out).results()[Key("puppets", "tps", 5)]
    assert again["videos"] == tps["videos"]

    page = tmp_path / PAGE
    page.parent.mkdir(parents=True)
    page.write_text((ROOT / PAGE).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "docs" / "images").mkdir()
    assert document(out, tmp_path, write_panel) == []
    picture = tmp_path / "docs" / "images" / "ablation-puppets.png"
    assert 0 < picture.stat().st_size <= MAX_BYTES
    assert read_records(tmp_path / RECORDS) == sorted(read_records(out), key=lambda r: r.key)
    capsys.readouterr()
    assert tool.main(["report", str(tmp_path / RECORDS)]) == 0
    printed = capsys.readouterr().out
    assert value_table(Comparison(read_records(out))) in printed
    assert value_table(Comparison(read_records(out))) in page.read_text(encoding="utf-8")
