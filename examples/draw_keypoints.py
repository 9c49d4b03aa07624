"""Draw learned keypoints over identities and poses, one band per model.

python examples/draw_keypoints.py DATA --checkpoint puppets --checkpoint other.safetensors -o F.png
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

from cpabmm_core.arrays import Floats
from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
from cpabmm_core.geometry import positions
from cpabmm_core.inference import to_model_input
from cpabmm_core.media import list_clips, open_clip
from cpabmm_core.models import AnimationModel
from cpabmm_core.visualize import Picture, overlay_keypoints, side_by_side
from cpabmm_core.visualize.text import text_line

app = typer.Typer(add_completion=False)
GAP = 4
PALE = 0.55  # share of white over the grey frames, so that only dots have colours


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="Data set made by `cpabmm preprocess puppets`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")],
    checkpoint: Annotated[list[str], typer.Option(help="Name or path of a model; repeatable.")],
    identities: Annotated[int, typer.Option(min=1, help="Identities of each body plan.")] = 4,
    poses: Annotated[int, typer.Option(min=1, help="Frames of each identity, one a row.")] = 2,
    side: Annotated[int, typer.Option(min=32, help="Side of a frame in pixels.")] = 160,
    count: Annotated[int, typer.Option(min=1, help="Keypoints to draw, the most unlike.")] = 10,
) -> None:
    """Write the picture, a column per identity and a row per pose, and print its path.

    Each keypoint that is drawn has a colour of its own, the same in all frames of a model.
    """
    clips = choose_clips(data / "test", identities)
    if not clips:
        raise typer.BadParameter(f"{data}: no test videos of puppets")
    bands = []
    for name in checkpoint:
        model = open_checkpoint(find_checkpoint(name)).model
        found = [detect(model, clip, poses) for clip in clips]
        chosen = most_unlike(np.concatenate([points for _, points in found]), count)
        columns = [draw(frames, points[:, chosen], side) for frames, points in found]
        band = side_by_side(columns, gap=GAP)
        bands += [text_line(Path(name).stem, band.shape[1], 28), band]
    # A PNG of 256 colours is less than half as large; frames are grey and dots have few colours.
    few = Image.fromarray(np.concatenate(bands)).quantize(256, dither=Image.Dither.NONE)
    output.parent.mkdir(parents=True, exist_ok=True)
    few.save(output, format="PNG", optimize=True)
    typer.echo(output)


def choose_clips(folder: Path, identities: int) -> list[Path]:
    """Return the first clips of each body plan; quadrupeds that face left and right by turns."""
    kinds: dict[tuple[str, bool], list[Path]] = {}
    for clip in list_clips(folder):
        truth = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
        names, joints = truth["joint_names"], np.array(truth["joints"])
        quadruped = truth["body_plan"] == "quadruped"
        right = False
        if quadruped:
            forward = joints[:, names.index("chest"), 0] - joints[:, names.index("rump"), 0]
            right = bool(forward.mean() > 0)
        kinds.setdefault((truth["body_plan"], right), []).append(clip)
    left, right_facing = kinds.get(("quadruped", False), []), kinds.get(("quadruped", True), [])
    shown = min(len(left), (identities + 1) // 2)
    return [
        *kinds.get(("biped", False), [])[:identities],
        *left[:shown],
        *right_facing[: identities - shown],
    ]


@torch.inference_mode()
def detect(
    model: AnimationModel, clip: Path, poses: int
) -> tuple[list[Picture], Floats]:  # (poses, N, 2) in [-1, 1]
    """Return frames of a clip, evenly spaced in time, and their keypoints."""
    opened = open_clip(clip)
    indices = np.linspace(0, len(opened) - 1, poses).round().astype(int)
    frames = opened.read(sorted({int(index) for index in indices}))
    images = torch.cat(
        [to_model_input(frame, model.frame_size, torch.device("cpu")) for frame in frames]
    )
    return frames, positions(model.keypoints(images)).double().numpy()


def most_unlike(points: Floats, count: int) -> list[int]:
    """Choose keypoints that are far from each other over all (F, N, 2) positions.

    The first is the one furthest from the mean of all; each next one is furthest from the nearest
    of those before it.
    """
    paths = points.swapaxes(0, 1).reshape(points.shape[1], -1)
    nearest = np.linalg.norm(paths - paths.mean(0), axis=1)
    chosen: list[int] = []
    for _ in range(min(count, len(paths))):
        chosen.append(int(nearest.argmax()))
        distance = np.linalg.norm(paths - paths[chosen[-1]], axis=1)
        nearest = distance if len(chosen) == 1 else np.minimum(nearest, distance)
    return chosen


def draw(frames: list[Picture], points: Floats, side: int) -> Picture:
    """Return the frames, pale and grey, below each other, with one colour per keypoint."""
    rows = []
    for frame, dots in zip(frames, points, strict=True):
        grey = Image.fromarray(frame).convert("L").convert("RGB")
        large = grey.resize((side, side), Image.Resampling.LANCZOS)
        pale = (255 * PALE + (1 - PALE) * np.asarray(large)).astype(np.uint8)
        dotted = overlay_keypoints(pale, dots, groups=len(dots), radius=max(2.0, side / 32))
        rows.append(np.pad(dotted, ((0, GAP), (0, 0), (0, 0)), constant_values=255))
    return np.concatenate(rows)


if __name__ == "__main__":
    app()
