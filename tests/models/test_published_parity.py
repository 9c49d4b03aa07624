"""The networks against values computed by TPSMM's and FOMM's code (tests/golden/*/README.md).

Every tensor of the checkpoint is a random sample seeded by its name. The file is converted like a
published one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
import torch
from _helpers import parity
from _helpers.published_model import golden, write_narrow_model

from cpabmm_core.checkpoint.convert import convert_checkpoint

TOLERANCE = 1e-4
"""Measured: 4.7e-5, on a source of noise, which amplifies the rounding errors of the flow."""
INPUTS = {"source", "driving", "driving_initial"}


@pytest.mark.parametrize(
    ("family", "compare"), [("tpsmm", parity.tpsmm), ("fomm", parity.fomm)], ids=["tpsmm", "fomm"]
)
def test_every_tensor_agrees(
    family: Literal["tpsmm", "fomm"],
    compare: Callable[[Path], Iterator[parity.Compared]],
    tmp_path: Path,
) -> None:
    compared = set()
    for name, ours, theirs in compare(tmp_path):
        difference = (ours - theirs).abs().max().item()
        assert difference < TOLERANCE, name
        compared.add(name)
    assert compared == golden(family).keys() - INPUTS


def test_fomm_in_the_other_sampling_convention_differs(tmp_path: Path) -> None:
    """The tolerance separates the two conventions of grid_sample."""
    file = write_narrow_model(tmp_path / "fomm.pth.tar", "fomm")
    model = convert_checkpoint(file, frame_size=128).checkpoint().model
    model.dense_motion._align_corners = True
    expected = golden("fomm")
    with torch.inference_mode():
        poses = model.keypoints(expected["source"]), model.keypoints(expected["driving"])
        motion = model.motion(expected["source"], *poses)
        generated = model.generate(expected["source"], motion)
    assert (generated - expected["standard_prediction"]).abs().max() > 10 * TOLERANCE
