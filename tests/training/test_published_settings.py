"""Rows of the tables, compared with the settings that their authors published."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cpabmm_core.config import AvdConfig, Config, load_config, shipped_configs

SETTINGS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "peers" / "settings.json").read_text()
)
SUFFIXES = {"tpsmm": "-tps", "fomm": "-fomm", "mraa": "-mraa"}
TABLE_2 = ("", "-cpab", "-cpab-global", "-semantic", "-structure")
PAPER = (*TABLE_2, "-paper", *(f"{row}-paper" for row in TABLE_2[1:]), "-detached")
SETS = ("taichi-256", "ted-384", "vox-256", "mgif-256")
LOSSES: dict[str, dict[str, float]] = {
    "tpsmm": {"reconstruction": 10, "warp": 10, "equivariance": 10, "background": 10},
    "fomm": {"reconstruction": 10, "equivariance": 10, "frame_equivariance": 10},
    "mraa": {"reconstruction": 10, "equivariance": 10, "frame_equivariance": 10},
}
"""Loss weights of their configuration files, by our names."""
WEIGHT_DECAY = {"tpsmm": 1e-4, "fomm": 0, "mraa": 0}
"""Betas of Adam, from their train.py."""


class Row(NamedTuple):
    """A published row and our configuration of it."""

    peer: str
    data_set: str

    @property
    def published(self) -> dict[str, Any]:
        found: dict[str, Any] = SETTINGS[self.peer][self.data_set]
        return found

    @property
    def config(self) -> Config:
        return load_config(self.data_set + SUFFIXES[self.peer])


ROWS = [Row(peer, name) for peer in SUFFIXES for name in SETTINGS[peer] if name in SETS]
rows = pytest.mark.parametrize("row", ROWS, ids=["-".join(row) for row in ROWS])


def pairs_a_step(config: Config) -> int:
    return config.training.batch_size * config.training.accumulation


def test_every_row_of_a_peer_is_compared() -> None:
    """The exception is FOMM on TED-talks, for which nothing was published."""
    suffixes = tuple(SUFFIXES.values())
    here = {n for n in shipped_configs() if n.startswith(SETS) and n.endswith(suffixes)}
    assert here - {row.data_set + SUFFIXES[row.peer] for row in ROWS} == {"ted-384-fomm"}


@rows
def test_optimisation(row: Row) -> None:
    training, published = row.config.training, row.published
    assert pairs_a_step(row.config) == published["batch"]
    assert training.batch_size <= 14  # fits a device, see docs/training.md
    assert training.epochs == published["epochs"]
    assert row.config.data.repeats == published["repeats"]
    assert training.learning_rate == published["lr"]
    assert list(training.milestones) == published["milestones"]
    assert (training.milestone_factor, training.betas) == (0.1, (0.5, 0.999))
    assert training.weight_decay == WEIGHT_DECAY[row.peer]


@rows
def test_identities(row: Row) -> None:
    assert row.config.data.identity_sampling == row.published["id_sampling"]


@rows
def test_candidate_dropout_and_background(row: Row) -> None:
    training, published = row.config.training, row.published
    dropout = training.candidate_dropout
    found = [dropout.start, dropout.maximum, dropout.ramp_epochs, dropout.until_epoch]
    assert found[:2] == published.get("dropout", [0, 0])[:2]
    assert "dropout" not in published or found == published["dropout"]
    has_background = row.peer != "fomm" and row.data_set != "mgif-256"
    assert (row.config.model.background is not None) == has_background
    if has_background:
        assert training.background_from_epoch == published.get("bg_start", 0)


@rows
def test_augmentation(row: Row) -> None:
    augment = row.config.data.augment
    jitter = [augment.brightness, augment.contrast, augment.saturation, augment.hue]
    assert jitter == row.published.get("jitter", [0.1] * 4)
    assert augment.resize == ((0.9, 1.1) if row.data_set == "mgif-256" else None)
    assert augment.horizontal_flip
    assert augment.time_flip


def clipping(published: dict[str, Any]) -> float | None:
    """Return the limit, for the networks and the norm of `training.clipping`."""
    clip = published["clip"]
    if clip is None:
        return None
    assert clip["norm"] == "inf"
    assert clip["networks"] == ["keypoints", "dense_motion", "background"]
    limit: float = clip["limit"]
    return limit


@rows
def test_clipping(row: Row) -> None:
    assert row.config.training.clip_largest_entry == clipping(SETTINGS[row.peer])


@rows
def test_losses(row: Row) -> None:
    weights, wanted = row.config.losses, dict(LOSSES[row.peer])
    if row.config.model.motion != "affine":
        wanted["frame_equivariance"] = weights.frame_equivariance  # there are no jacobians
    if row.config.model.background is None:
        wanted["background"] = weights.background
    names = ("warp", "background", "semantic", "structure")
    assert {name: getattr(weights, name) for name in (*names, *wanted)} == dict.fromkeys(
        names, 0
    ) | wanted
    assert weights.reconstruction_kind == "perceptual"
    assert weights.perceptual.network == "vgg19"
    assert weights.adversarial == row.published.get("gan", 0)
    assert weights.feature_matching == 10


@pytest.mark.parametrize("row", [row for row in ROWS if "avd" in row.published], ids="-".join)
def test_avd_stage(row: Row) -> None:
    avd, published = row.config.avd, row.published["avd"]
    assert (avd.epochs, avd.repeats) == (published["epochs"], published["repeats"])
    assert list(avd.milestones) == published["milestones"]
    assert (avd.batch_size, avd.learning_rate, avd.random_scale) == (256, 1e-3, 0.25)
    sizes = row.config.model.avd or AvdConfig()
    assert {sizes.id_bottle_size, sizes.pose_bottle_size} == {published["bottle"]}


@rows
def test_frames_and_mode_relative(row: Row) -> None:
    model, published = row.config.model, row.published
    assert model.affine.single_jacobian_map == published.get("single_jacobian_map", False)
    scaling = SETTINGS[row.peer].get("relative_hull_scaling", True)
    assert model.relative_hull_scaling == scaling


def test_fomm_on_ted_has_the_settings_of_taichi() -> None:
    ted, taichi = load_config("ted-384-fomm"), load_config("taichi-256-fomm")
    assert pairs_a_step(ted) == pairs_a_step(taichi)
    same = {"batch_size": taichi.training.batch_size, "accumulation": taichi.training.accumulation}
    assert ted.training.model_copy(update=same) == taichi.training
    assert ted.data.model_copy(update={"frame_size": 256}) == taichi.data
    assert ted.model.model_copy(update={"cpab": taichi.model.cpab}) == taichi.model
    assert ted.losses == taichi.losses


@pytest.mark.parametrize("suffix", PAPER)
@pytest.mark.parametrize("data_set", SETS)
def test_the_papers_rows(data_set: str, suffix: str) -> None:
    config, published = load_config(data_set + suffix), SETTINGS["paper"]
    assert pairs_a_step(config) == published["batch"]
    assert config.training.learning_rate == published["lr"]
    assert config.data.repeats == published["repeats"][data_set]
    assert config.training.epochs == 100
    assert list(config.training.milestones) == [70, 90]
    assert config.training.clip_largest_entry == clipping(published)
    assert config.losses.reconstruction_kind == "perceptual"
    # The rest is TPSMM's, on whose code the paper's code is based.
    tpsmm = Row("tpsmm", data_set).config
    assert config.data.augment == tpsmm.data.augment
    assert config.training.candidate_dropout == tpsmm.training.candidate_dropout
    assert config.training.background_from_epoch == tpsmm.training.background_from_epoch
    assert (config.avd, config.model.avd) == (tpsmm.avd, tpsmm.model.avd)
