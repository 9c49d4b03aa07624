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

from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
from cpabmm_core.geometry import positions
from cpabmm_core.inference import to_model_input
from cpabmm_core.media import list_clips, open_clip
from cpabmm_core.models import AnimationModel
from cpabmm_core.models.build import keypoint_groups
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
) -> None:
    """Write the picture, a column per identity and a row per pose, and print its path."""
    clips = choose_clips(data / "test", identities)
    if not clips:
        raise typer.BadParameter(f"{data}: no test videos of puppets")
    bands = []
    for name in checkpoint:
        model, config, _ = open_checkpoint(find_checkpoint(name))
        groups = keypoint_groups(config.model)
        columns = [draw_clip(model, clip, poses, side, groups) for clip in clips]
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
def draw_clip(model: AnimationModel, clip: Path, poses: int, side: int, groups: int) -> Picture:
    """Return frames of a clip, evenly spaced in time, below each other, with the keypoints."""
    opened = open_clip(clip)
    chosen = np.linspace(0, len(opened) - 1, poses).round().astype(int)
    rows = []
    for frame in opened.read(sorted({int(index) for index in chosen})):
        images = to_model_input(frame, model.frame_size, torch.device("cpu"))
        points = positions(model.keypoints(images))[0].numpy()
        grey = Image.fromarray(frame).convert("L").convert("RGB")
        large = grey.resize((side, side), Image.Resampling.LANCZOS)
        pale = (255 * PALE + (1 - PALE) * np.asarray(large)).astype(np.uint8)
        dotted = overlay_keypoints(pale, points, groups=groups, radius=max(2.0, side / 38))
        rows.append(np.pad(dotted, ((0, GAP), (0, 0), (0, 0)), constant_values=255))
    return np.concatenate(rows)


if __name__ == "__main__":
    app()
