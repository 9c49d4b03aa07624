"""The true motion of the scene between frames, from the matrices of the camera."""

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.errors import DataError
from cpabmm_core.puppets.render import PuppetVideo


def scene_motion(video: PuppetVideo, source: int = 0) -> Floats:
    """Return the affine motion of the scene from each frame to a source frame.

    A point of the scene at p in frame f is at M_f p in the source. With the camera's matrix C, from
    the scene to the unit square of pixel edges, and T, from normalised coordinates to that square,
    M_f = T^-1 C_source C_f^-1 T. A model's background motion has the same form.

    Convention:
        (x, y), -1 and 1 are the centres of the first and last pixel.

    Args:
        video: a rendered video.
        source: index of the source frame.

    Returns:
        Homogeneous matrices, (F, 3, 3).

    Raises:
        DataError: the video has no such frame.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.puppets import render_puppet, scene_motion
        >>> motion = scene_motion(render_puppet(0, 0, split="test", frames=2, size=32))
        >>> motion.shape, bool(np.allclose(motion[0], np.eye(3)))
        ((2, 3, 3), True)
    """
    check_source(video, source)
    size = video.frames.shape[1]
    half = (size - 1) / (2 * size)
    to_square = np.array([[half, 0, 0.5], [0, half, 0.5], [0, 0, 1]])
    camera = np.concatenate(
        [video.camera, np.broadcast_to([[0.0, 0.0, 1.0]], (len(video.camera), 1, 3))], axis=1
    )
    motion = camera[source] @ np.linalg.inv(camera)
    return np.asarray(np.linalg.inv(to_square) @ motion @ to_square)


def check_source(video: PuppetVideo, source: int) -> None:
    """Check the index of a source frame.

    Raises:
        DataError: the video has no such frame.
    """
    if not 0 <= source < len(video.frames):
        raise DataError(f"puppets: expected a source from 0 to {len(video.frames) - 1}: {source}")
