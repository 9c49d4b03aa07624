"""Where a new scene begins, by PySceneDetect's adaptive detector on our own frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.data.preprocess.raw.frames import SceneFrame, shrink
from cpabmm_core.errors import ConfigError

Scenes = Literal["adaptive", "none"]

# PySceneDetect itself shrinks frames to this width before it compares them.
_WIDTH = 256
_RATE = 25.0  # it asks for one, but counts in frames


def check_scene_detector(scenes: Scenes) -> str | None:
    """Check that scene cuts can be found; the version of what finds them.

    Raises:
        ConfigError: PySceneDetect is missing.
    """
    if scenes == "none":
        return None
    try:
        import scenedetect
    except ImportError as error:
        raise ConfigError(
            f"scene cuts: scenedetect cannot be imported ({error}); install it with: "
            "pip install 'cpabmm[scenes]', or, where no video is cut, give --scenes none"
        ) from None
    return str(scenedetect.__version__)


def split_scenes(
    images: Iterable[NDArray[np.uint8]],  # (H, W, 3) each
    scenes: Scenes,
) -> Iterator[SceneFrame]:
    """Number the frames and mark those with which a scene begins.

    A cut is known a few frames after it, so as many frames are held back, and never more.
    """
    if scenes == "none":
        yield from (SceneFrame(number, image, number == 0) for number, image in enumerate(images))
        return
    from scenedetect import AdaptiveDetector, FrameTimecode

    detector: Any = AdaptiveDetector()
    held: deque[tuple[int, NDArray[np.uint8]]] = deque()
    begins = {0}
    for number, image in enumerate(images):
        bgr = np.ascontiguousarray(shrink(image, _WIDTH / image.shape[1])[..., ::-1])
        cuts = detector.process_frame(FrameTimecode(number, _RATE), bgr)
        begins.update(cut.frame_num for cut in cuts)
        held.append((number, image))
        if len(held) > detector.event_buffer_length:
            yield _release(held, begins)
    while held:
        yield _release(held, begins)


def _release(held: deque[tuple[int, NDArray[np.uint8]]], begins: set[int]) -> SceneFrame:
    number, image = held.popleft()
    return SceneFrame(number, image, number in begins)
