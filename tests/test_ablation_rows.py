"""The rows of the ablation, and its data sets."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.data_sets import prepare
from ablation.rows import BY_NAME, LITE0, ROWS, select_rows
from ablation.training import stretched_schedule

from cpabmm_core.config import Config, load_config
from cpabmm_core.data import PairSampler
from cpabmm_core.errors import ConfigError, DataError
from cpabmm_core.models import build_model
from cpabmm_core.puppets import write_puppets
from cpabmm_core.training.schedule import background_dropout, candidate_dropout


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


@pytest.mark.parametrize(
    ("row", "other", "keys"),
    [
        ("cpab-global", "cpab", {"model.cpab.global_cells"}),
        ("cpab-short", "cpab", {"model.cpab.length_scale"}),
        ("cpab-8", "cpab", {"model.cpab.cells"}),
        ("cpab-paper", "cpab", {"model.cpab.fit"}),
        ("cpab-detached", "cpab", {"model.cpab.fit"}),
        ("tps", "cpab-global", {"model.motion"}),
        ("cpab-global-6-8", "cpab-global", {"model.cpab.cells", "model.cpab.global_cells"}),
        ("no-balance", "cpab-global", {"losses.balance"}),
        ("no-equivariance", "cpab-global", {"losses.equivariance"}),
        ("no-warp", "cpab-global", {"losses.warp"}),
        ("tps-to-cpab-tuned", "tps-tuned", {"model.motion", "model.cpab.global_cells"}),
    ],
)
def test_a_row_differs_from_another_in_nothing_else(row: str, other: str, keys: set[str]) -> None:
    assert changed_keys(row, other) == keys


@pytest.mark.parametrize("row", ["tps-tuned", "tps-to-cpab-tuned"])
def test_a_tuned_row_drops_no_candidate(row: str) -> None:
    dropout = (
        "training.candidate_dropout={start: 0.1, maximum: 0.3, background: 0.3, until_epoch: 2}"
    )
    config = load_config(BY_NAME[row].config, [dropout, *BY_NAME[row].settings])
    schedule = config.training.candidate_dropout
    assert candidate_dropout(schedule, 0) == background_dropout(schedule, 0) == 0


@pytest.mark.parametrize("row", ["fomm", "mraa"])
def test_a_peer_shares_data_and_length_of_training(row: str) -> None:
    changed = changed_keys(row, "tps")
    assert changed
    shared = {"training.batch_size", "training.accumulation", "training.ema"}
    assert not [key for key in changed if key.startswith("data.") or key in shared]


def test_what_a_row_begins_with_or_is_compared_with_comes_before_it() -> None:
    names = [row.name for row in ROWS]
    for number, row in enumerate(ROWS):
        for other in (*row.baselines, row.start):
            assert other is None or other in names[:number]


@pytest.mark.parametrize("row", [row.name for row in ROWS])
def test_every_row_has_a_model(row: str) -> None:
    config = config_of(row)
    assert build_model(config).motion_kind == config.model.motion


def test_rows_are_selected_by_plan_and_by_name() -> None:
    recipe = ["no-balance", "no-equivariance", "no-warp", "perceptual"]
    assert [row.name for row in select_rows(["recipe"])] == recipe
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
