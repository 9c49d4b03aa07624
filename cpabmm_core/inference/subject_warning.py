"""A warning about a subject that the model sees too small, or not as a whole."""

from cpabmm_core.arrays import Frame
from cpabmm_core.inference.auto_crop import subject_boxes
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.regions import Framing

_SMALL = 0.25
"""Keypoints that span less than this share of the model's square belong to a small subject."""
_NEAR_EDGE = 0.08
"""Keypoints this close to the edge of the model's square, as a share of it, suggest a cut."""


def subject_warning(
    inference_model: InferenceModel, image: Frame, framing: Framing, *, name: str = "picture"
) -> str | None:
    """Return a warning if the subject is small in the model's square, or seems to be cut off.

    Both are judged by the box of the central 70% of the model's keypoints along each axis.

    Args:
        inference_model: the model whose keypoints are used.
        image: (H, W, 3 or 4) uint8 RGB or RGBA, the picture.
        framing: the square that the model sees.
        name: what the warning calls the picture, for example its file.

    Returns:
        One line, or None.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.inference import frame_region
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = InferenceModel(load_model("puppets", device="cpu"))
        >>> puppet = render_puppet(7, 1, split="test", frames=1, size=96).frames[0]
        >>> subject_warning(model, puppet, frame_region(96, 96))
        >>> picture = np.pad(puppet, ((96, 96), (96, 96), (0, 0)), "edge")
        >>> print(subject_warning(model, picture, frame_region(288, 288), name="a.png"))
        a.png: the subject is small: its keypoints span 2...% of what the model sees; crop to it
    """
    boxes = subject_boxes(inference_model, [image], framing)
    if not boxes:
        return None
    [box], square = boxes, framing.square
    share = box.longer_side / square.width
    if share < _SMALL:
        return (
            f"{name}: the subject is small: its keypoints span {share:.0%} of what the model sees;"
            " crop to it"
        )
    gaps = {
        "left": box.left - square.left,
        "top": box.top - square.top,
        "right": square.left + square.width - box.right,
        "bottom": square.top + square.height - box.bottom,
    }
    nearest = min(gaps, key=lambda edge: gaps[edge])
    if gaps[nearest] < _NEAR_EDGE * square.width:
        return f"{name}: the subject touches the {nearest} edge of what the model sees"
    return None
