"""Measure how well the ablation's extractor of people's joints works on real frames of 64 x 64.

    python tests/benchmarks/measure_people_joints.py pose_landmark_full.tflite VIDEO...

For each video the script prints the share of the frames in which a person is found, and AKD and MKR
of the frames at half their resolution: what blur alone costs.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from ablation.people import open_people_joints  # noqa: E402
from ablation.scores import MAX_FRAMES  # noqa: E402
from ablation.videos import read_video  # noqa: E402

from cpabmm_core.inference import to_frames, to_model_input  # noqa: E402
from cpabmm_core.metrics import average_keypoint_distance  # noqa: E402

SIZE = 64


def main(
    network: Annotated[Path, typer.Argument(help="pose_landmark_full.tflite of mediapipe.")],
    videos: Annotated[list[Path], typer.Argument(help="Videos of people, in any format.")],
) -> None:
    """Print a line for each video and their mean."""
    extractor = open_people_joints(network)
    rows = []
    for video in videos:
        frames = small_frames(video)
        real = extractor.keypoints(frames)
        found = np.isfinite(real).any((1, 2)).mean()
        error = average_keypoint_distance(real, extractor.keypoints(blurred(frames)))
        rows.append((found, error.akd, error.mkr))
        typer.echo(line(video.name, rows[-1]))
    typer.echo(line("mean", np.mean(rows, axis=0).tolist()))


def small_frames(video: Path) -> NDArray[np.uint8]:  # (F, 64, 64, 3)
    """Return the frames of a video that the ablation scores."""
    frames, _ = read_video(video, MAX_FRAMES)
    images = [to_model_input(frame, SIZE, torch.device("cpu")) for frame in frames]
    return np.stack(to_frames(torch.cat(images)))


def blurred(
    frames: NDArray[np.uint8],  # (F, 64, 64, 3)
) -> NDArray[np.uint8]:  # (F, 64, 64, 3)
    """Halve the resolution of frames and enlarge them again."""
    halves = [
        Image.fromarray(frame).resize((SIZE // 2,) * 2, Image.Resampling.BOX) for frame in frames
    ]
    return np.stack(
        [np.asarray(half.resize((SIZE,) * 2, Image.Resampling.BICUBIC)) for half in halves]
    )


def line(name: str, values: tuple[float, ...] | list[float]) -> str:
    """Return the text of a row."""
    found, akd, mkr = values
    half = f"half resolution: AKD {akd:.2f}, MKR {mkr:.2f}"
    return f"{name}: a person in {found:.2f} of the frames; {half}"


if __name__ == "__main__":
    typer.run(main)
