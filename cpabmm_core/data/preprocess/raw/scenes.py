"""Scene boundaries, found by the adaptive detector of PySceneDetect."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.raw.frames import SceneFrame, shrink
from cpabmm_core.errors import ConfigError, Remedy
from cpabmm_core.files.checks import one_line

Scenes = Literal["adaptive", "none"]

_WIDTH = 256
"""The width to which PySceneDetect itself shrinks frames before it compares them."""
_RATE = 25.0
"""The frame rate that its interface requires. It does not affect the result."""


def check_scene_detector(scenes: Scenes) -> str | None:
    """Check that scene cuts can be detected.

    Returns:
        The version of PySceneDetect, or None if it is not needed.

    Raises:
        ConfigError: PySceneDetect is missing.
    """
    if scenes == "none":
        return None
    try:
        import scenedetect
    except ImportError as error:
        raise ConfigError(
            f"scene cuts: scenedetect cannot be imported ({one_line(error)})",
            "pip install 'cpabmm[scenes]', or pass scenes='none' if no video has cuts",
            remedy=Remedy.WHOLE_VIDEOS,
        ) from None
    return str(scenedetect.__version__)


def split_scenes(
    images: Iterable[NDArray[np.uint8]],  # (H, W, 3) each
    scenes: Scenes,
) -> Iterator[SceneFrame]:
    """Number the frames and mark the first of each scene.

    The detector reports a cut a few frames late. Only that many frames are buffered.
    """
    if scenes == "none":
        yield from (SceneFrame(number, image, number == 0) for number, image in enumerate(images))
        return
    from scenedetect import AdaptiveDetector, FrameTimecode

    detector: Any = AdaptiveDetector()
    buffer: deque[tuple[int, NDArray[np.uint8]]] = deque()
    begins = {0}
    for number, image in enumerate(images):
        bgr = np.ascontiguousarray(shrink(image, _WIDTH / image.shape[1])[..., ::-1])
        cuts = detector.process_frame(FrameTimecode(number, _RATE), bgr)
        begins.update(cut.frame_num for cut in cuts)
        buffer.append((number, image))
        if len(buffer) > detector.event_buffer_length:
            yield _pop_oldest(buffer, begins)
    while buffer:
        yield _pop_oldest(buffer, begins)


def _pop_oldest(buffer: deque[tuple[int, NDArray[np.uint8]]], begins: set[int]) -> SceneFrame:
    number, image = buffer.popleft()
    return SceneFrame(number, image, number in begins)
