"""Regions of a rendered frame that are unlike for a model that moves a source frame."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cpabmm_core.puppets.render import PuppetVideo
from cpabmm_core.puppets.scene_motion import check_source, scene_motion

REGIONS = ("limbs", "trunk", "head", "background", "rest")
"""The regions of `frame_regions`, in the order of their labels."""
_SCENE = -1  # the label of the scene in `PuppetVideo.layers`
_RIM = 1 / 64  # width of the rim of a body, with outline and smooth edge, as a share of the frame


def frame_regions(video: PuppetVideo, source: int = 0) -> NDArray[np.int8]:
    """Label each pixel by what it shows, and whether the source frame shows it too.

    Limbs are arms, legs and tail. Background is what the source shows at the corresponding point of
    the scene as well, so a motion of the scene alone explains it. The rest is background that the
    source hides behind the body or outside its frame, and a rim, a 64th of the frame wide, around
    bodies and hidden background.

    Args:
        video: a rendered video.
        source: index of the source frame.

    Returns:
        Labels, (F, H, W): indices of ``limbs``, ``trunk``, ``head``, ``background`` and ``rest``.

    Raises:
        DataError: the video has no such frame.

    Example:
        >>> from cpabmm_core.puppets import REGIONS, frame_regions, render_puppet
        >>> labels = frame_regions(render_puppet(0, 0, split="test", frames=2, size=64))
        >>> labels.shape, REGIONS[labels[1, 0, 0]]
        ((2, 64, 64), 'background')
    """
    check_source(video, source)
    labels = np.full(video.layers.shape, REGIONS.index("rest"), np.int8)
    size = video.layers.shape[1]
    steps = int(np.ceil(_RIM * size))
    square = np.ones((3, 3), bool)
    for frame, motion in enumerate(scene_motion(video, source)):
        bare = video.layers[frame] == _SCENE
        seen = bare & _scene_is_seen(video.layers[source], motion)
        # The border counts as seen: the region beyond it needs no rim.
        inner = ndimage.binary_erosion(seen, square, iterations=steps, border_value=1)
        labels[frame, inner] = REGIONS.index("background")
    for number, name in enumerate(video.layer_names):
        labels[video.layers == number] = REGIONS.index(_REGION_OF_LAYER.get(name, "limbs"))
    return labels


_REGION_OF_LAYER = {"torso": "trunk", "head": "head"}


def _scene_is_seen(
    layers: NDArray[np.int8],  # (H, W) of the source
    motion: NDArray[np.float64],  # (3, 3) from a frame to the source
) -> NDArray[np.bool_]:  # (H, W)
    """Return where the source shows the scene at the point that a frame shows."""
    size = len(layers)
    axis = np.linspace(-1, 1, size)
    points = np.stack([*np.meshgrid(axis, axis), np.ones((size, size))], axis=-1)
    pixels = ((points @ motion[:2].T + 1) * (size - 1) / 2).round().astype(int)
    inside = ((pixels >= 0) & (pixels < size)).all(-1)
    x, y = np.moveaxis(pixels.clip(0, size - 1), -1, 0)
    return np.asarray(inside & (layers[y, x] == _SCENE))
