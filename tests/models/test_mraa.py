"""MRAA's networks against an independent implementation, on a converted narrow model.

`_helpers.mraa_plain` shares no code with the networks and uses the published tensors directly.
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
        for part in ("mean", "covariance", "axes")
        for image in ("source", "driving")
    }
    of_pairs = {"background", "masks", "flow", "visible", "prediction"}
    assert compared == of_images | of_pairs | {"avd", "avd_of_turned_axes"}
