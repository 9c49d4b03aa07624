"""Finding the subject of a picture by the spread of the model's own keypoints."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.arrays import Array, Frame
from cpabmm_core.data.preprocess.boxes import Box, enclose, make_square
from cpabmm_core.errors import DataError
from cpabmm_core.geometry.coordinates import to_pixels
from cpabmm_core.geometry.local_affine import positions
from cpabmm_core.inference.frames import batches
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.regions import Fit, Framing, Region, frame_region
from cpabmm_core.media.notices import notify

_TAIL = 0.15
"""The share of the keypoints at either end of an axis that may be astray and is left out."""
_MARGIN = 0.55
"""The margin around the other keypoints, as a share of the longer side of their box."""
_VIEWS = 6
"""The largest number of views: each is the box that was found in the one before."""
_SETTLED = 0.85
"""A box at least this large, as a share of the view in which it was found, is final."""
_NARROWEST = 0.02
"""Keypoints within this share of the view have collapsed into a point."""


def find_region(
    inference_model: InferenceModel,
    images: Sequence[Frame],
    fit: Fit = "crop",
    *,
    name: str = "picture",
) -> Region:
    """Find the part of a picture, or of the frames of a video, that shows the subject.

    No detector of faces or bodies takes part: the model's keypoints lie on the subject that it was
    trained for. The box of the central 70% of them along each axis, with a margin of 55% of its
    longer side, is a new view, in which the keypoints are more exact. This is repeated until the
    box keeps its size.

    Convention:
        Pixels, as in `Region`.

    Args:
        inference_model: the model whose keypoints are used.
        images: (H, W, 3 or 4) uint8 RGB or RGBA, all of one size. Of a video, frames that show the
            range of its motion: the region contains the subject of each.
        fit: as in `frame_region`. For ``crop`` the region is a square. For ``pad`` it is a square
            too, unless it reaches the edge of the picture.
        name: what a notice calls the picture, for example its file.

    Returns:
        The region, inside the picture. If the keypoints do not single out a part, it is the whole
        picture, and a notice says why (`media.notices`).

    Raises:
        DataError: there is no image, or images differ in size or have another layout.

    Example:
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = InferenceModel(load_model("puppets", device="cpu"))
        >>> puppet = render_puppet(7, 1, split="test", frames=1, size=96).frames[0]
        >>> picture = np.pad(puppet, ((40, 100), (200, 40), (0, 0)), "edge")  # 336 x 236
        >>> region = find_region(model, [picture])
        >>> region.width == region.height < 120, 200 <= region.left < 240, 20 < region.top < 60
        (True, True, True)
    """
    height, width = _common_size(images)
    region = Region(0, 0, width, height)
    for _ in range(_VIEWS):
        view = frame_region(width, height, region, "pad")
        boxes = subject_boxes(inference_model, images, view)
        if not boxes:
            return _whole(width, height, name, "the keypoints coincide")
        subject = enclose(boxes)
        wanted = make_square(_with_margin(subject, max(box.longer_side for box in boxes)))
        if wanted.width >= max(width, height):
            return _whole(width, height, name, "the keypoints spread over all of it")
        if wanted.width >= _SETTLED * view.square.width:
            return _fitted(wanted, subject, width, height, fit, name)
        region = _place(wanted, width, height, "pad")
    return _whole(width, height, name, "the keypoints do not settle on a part")


def subject_boxes(
    inference_model: InferenceModel,
    images: Sequence[Frame],  # (H, W, 3 or 4) each
    view: Framing,
) -> list[Box]:
    """Return the box of the central keypoints of each picture, as seen in a view of it.

    Pictures whose keypoints coincide, or are not finite, have none.
    """
    found = (_central_box(points) for points in _keypoints(inference_model, images, view))
    return [box for box in found if box.longer_side > _NARROWEST * view.square.width]


def _common_size(images: Sequence[Frame]) -> tuple[int, int]:
    """Return the height and the width of the images, after a check of their layout."""
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        raise DataError(f"images: expected one or more of one size, got {len(shapes)} sizes")
    [shape] = shapes
    if len(shape) != 3 or shape[2] not in (3, 4) or 0 in shape or images[0].dtype != np.uint8:
        raise DataError(f"images: expected (H, W, 3 or 4) uint8, got {shape} {images[0].dtype}")
    return shape[0], shape[1]


@torch.no_grad()
def _keypoints(
    inference_model: InferenceModel, images: Sequence[Frame], view: Framing
) -> list[Array]:  # (N, 2) pixel edges of the picture
    """Return the keypoints of each picture, as seen in a view of it."""
    found = []
    side, corner = view.square.width, (view.square.left, view.square.top)
    for batch in batches(images, inference_model.batch_size):
        seen = inference_model.to_input([_on_white(view.cut(image)) for image in batch])
        keypoints = positions(inference_model.networks.keypoints(seen)).double().cpu()
        # The centre of the first pixel is half a pixel from the edge.
        found.extend(to_pixels(keypoints, side, side).numpy() + 0.5 + np.array(corner))
    return found


def _on_white(image: Frame) -> Frame:  # (H, W, 3)
    """Put a picture with alpha on white, as pictures without alpha are read."""
    if image.shape[2] == 3:
        return image
    picture = Image.fromarray(image)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture))[
        ..., :3
    ]


def _whole(width: int, height: int, name: str, reason: str) -> Region:
    notify(f"{name}: not cropped to the subject: {reason}; the whole picture is used")
    return Region(0, 0, width, height)


def _central_box(
    points: NDArray[np.float64],  # (N, 2)
) -> Box:
    """Return the box of the keypoints without the outermost 15% at each end of an axis."""
    left, top = np.quantile(points, _TAIL, axis=0).tolist()
    right, bottom = np.quantile(points, 1 - _TAIL, axis=0).tolist()
    return Box(left, top, right, bottom)


def _with_margin(box: Box, extent: float) -> Box:
    """Move all sides of a box outwards by the margin of a subject of this extent."""
    margin = _MARGIN * extent
    return Box(box.left - margin, box.top - margin, box.right + margin, box.bottom + margin)


def _fitted(wanted: Box, subject: Box, width: int, height: int, fit: Fit, name: str) -> Region:
    """Return the final region, with a notice if it cannot hold the subject."""
    region = _place(wanted, width, height, fit)
    right, bottom = region.left + region.width, region.top + region.height
    inside = region.left <= subject.left and region.top <= subject.top
    if fit == "crop" and not (inside and subject.right <= right and subject.bottom <= bottom):
        notify(
            f"{name}: the subject does not fit into the largest square of the picture;"
            " pad the picture to a square to show all of it"
        )
    return region


def _place(wanted: Box, width: int, height: int, fit: Fit) -> Region:
    """Return a square in whole pixels inside the picture, as near as possible to a given one.

    Where the picture is too small for it, ``crop`` makes the square smaller and ``pad`` only the
    side that has no room.
    """
    side = max(1, round(wanted.width))
    limits = (min(width, height),) * 2 if fit == "crop" else (width, height)
    columns, rows = (min(side, limit) for limit in limits)
    x = (wanted.left + wanted.right - columns) / 2
    y = (wanted.top + wanted.bottom - rows) / 2
    left, top = min(max(round(x), 0), width - columns), min(max(round(y), 0), height - rows)
    return Region(left, top, columns, rows)
