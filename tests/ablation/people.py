"""Joints of people in small frames, by the body landmark network of MediaPipe.

The ablation's frames are 64 x 64 pixels. Detectors of people find few of theirs. But one person
fills each frame, so the landmark network (Bazarevsky et al., *BlazePose: On-device Real-time Body
Pose Tracking*, 2020) runs on the whole frame, without the detector that normally cuts out its
input.
"""

import hashlib
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.files.checks import one_line
from cpabmm_core.metrics.extractors import ExtractorInfo

JOINTS = {
    "nose": 0,
    "left shoulder": 11,
    "right shoulder": 12,
    "left elbow": 13,
    "right elbow": 14,
    "left wrist": 15,
    "right wrist": 16,
    "left hip": 23,
    "right hip": 24,
    "left knee": 25,
    "right knee": 26,
    "left ankle": 27,
    "right ankle": 28,
}
"""The joints that count, and their numbers among the network's landmarks."""
_SIDE = 256  # of the network's input
_PROBABLE = 0.5
_LANDMARKS, _PRESENCE = (1, 195), (1, 1)  # shapes of the two outputs in use
_RUNTIME = "ai-edge-litert"


class Pose(NamedTuple):
    """What the network says about a frame."""

    landmarks: NDArray[np.float32]
    """(39, 5): x, y and depth in pixels of its input, logits of being visible and inside."""
    presence: float
    """Probability that the frame shows a person."""


class PeopleJoints:
    """Find the joints of the person who fills a frame.

    Args:
        run: the network: a function of an image (256, 256, 3) in [0, 1].
        info: description of the extractor.
    """

    def __init__(self, run: Callable[[NDArray[np.float32]], Pose], info: ExtractorInfo) -> None:
        self._run = run
        self.info = info

    def keypoints(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, 13, 2)
        """Return the `JOINTS` (x, y) in pixels.

        A joint is NaN if the network thinks it more likely hidden or outside the frame than
        visible. All are NaN if it sees no person.

        Convention: pixel centres lie at integers, x points right, y points down.
        """
        points = [self._joints(frame) for frame in frames]
        return np.array(points, np.float64).reshape(len(frames), len(JOINTS), 2)

    def _joints(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
    ) -> NDArray[np.float64]:  # (13, 2)
        height, width = frame.shape[:2]
        square = Image.fromarray(frame).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        pose = self._run(np.asarray(square, np.float32) / np.float32(255))
        found = pose.landmarks[list(JOINTS.values())].astype(np.float64)
        points: NDArray[np.float64] = found[:, :2] * (width / _SIDE, height / _SIDE) - 0.5
        # A logit is positive if the probability exceeds a half.
        points[(found[:, 3:] <= 0).any(axis=1) | (pose.presence <= _PROBABLE)] = np.nan
        return points


def open_people_joints(file: Path) -> PeopleJoints:
    """Open the network ``pose_landmark_full.tflite`` of the package mediapipe.

    Raises:
        ConfigError: the package that runs it is missing.
        CheckpointError: the file cannot be read, or is another network.
    """
    try:
        runtime = import_module("ai_edge_litert.interpreter")
    except ImportError as error:
        raise ConfigError(
            f"{file}: {_RUNTIME} cannot be imported ({one_line(error)}); install it with: "
            f"pip install {_RUNTIME}"
        ) from None
    try:
        content = file.read_bytes()
        interpreter = runtime.Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{file}: cannot be read ({one_line(error)}); give pose_landmark_full.tflite"
        ) from None
    info = ExtractorInfo(
        name="mediapipe pose_landmark_full, whole frame",
        version=f"1, {_RUNTIME} {version(_RUNTIME)}",
        weights=hashlib.sha256(content).hexdigest(),
        cost=f"{len(content) / 1e6:.1f} MB",
    )
    return PeopleJoints(_runner(file, interpreter), info)


def _runner(
    file: Path,
    interpreter: Any,  # noqa: ANN401  (ai-edge-litert is no dependency)
) -> Callable[[NDArray[np.float32]], Pose]:
    [image] = interpreter.get_input_details()
    outputs = {tuple(each["shape"]): each["index"] for each in interpreter.get_output_details()}
    if tuple(image["shape"]) != (1, _SIDE, _SIDE, 3) or not {_LANDMARKS, _PRESENCE} <= set(outputs):
        raise CheckpointError(f"{file}: is another network; give pose_landmark_full.tflite")

    def run(
        picture: NDArray[np.float32],  # (256, 256, 3) in [0, 1]
    ) -> Pose:
        interpreter.set_tensor(image["index"], picture[None])
        interpreter.invoke()
        landmarks, presence = (interpreter.get_tensor(outputs[s]) for s in (_LANDMARKS, _PRESENCE))
        return Pose(landmarks.reshape(-1, 5), float(presence.item()))

    return run
