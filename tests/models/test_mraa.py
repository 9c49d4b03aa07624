"""MRAA's networks against a second writing of their formulas, on a converted narrow model.

`_helpers.mraa_plain` shares no code with the networks, and takes the tensors as they are published.
"""

from pathlib import Path

from _helpers import parity

TOLERANCE = 1e-4
"""Measured: 2.9e-6."""


def test_every_tensor_agrees(tmp_path: Path) -> None:
    compared = set()
    for name, ours, theirs in parity.mraa(tmp_path):
        assert ours.shape == theirs.shape, name
        assert (ours - theirs).abs().max() < TOLERANCE, name
        compared.add(name)
    of_images = {
        f"{part}_{image}"
        for part in ("mean", "covariance", "frame")
        for image in ("source", "driving")
    }
    drawn = {"background", "masks", "flow", "visible", "prediction"}
    assert compared == of_images | drawn | {"avd", "avd_of_turned_frames"}
