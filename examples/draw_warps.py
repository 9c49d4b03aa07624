"""Draw what models warp and what they paint: a row per video, four pictures per model.

python examples/draw_warps.py DATA --checkpoint puppets --checkpoint other.safetensors -o F.png
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from cpabmm_core.arrays import Frame
from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
from cpabmm_core.inference import to_frames, to_model_input
from cpabmm_core.media import list_clips, open_clip, write_image
from cpabmm_core.models import AnimationModel
from cpabmm_core.visualize import side_by_side

app = typer.Typer(add_completion=False)


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="Folder of videos.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")],
    checkpoint: Annotated[list[str], typer.Option(help="Name or path of a model; repeatable.")],
    videos: Annotated[int, typer.Option(min=1, help="Videos to draw, one a row.")] = 4,
    frame: Annotated[int, typer.Option(min=1, help="Number of the driving frame.")] = 20,
    side: Annotated[int, typer.Option(min=32, help="Side of a frame in pixels.")] = 96,
) -> None:
    """Write the picture, and print its path.

    For each model: the source, which is a video's first frame; the driving frame; the source,
    warped by the flow; and the output.
    """
    models = [open_checkpoint(find_checkpoint(name)).model for name in checkpoint]
    rows = []
    for path in list_clips(data)[:videos]:
        clip = open_clip(path)
        frames = clip.read([0, min(frame, len(clip) - 1)])
        rows.append(side_by_side([row for model in models for row in draw(model, frames, side)]))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_image(output, np.concatenate(rows))
    typer.echo(output)


@torch.inference_mode()
def draw(model: AnimationModel, frames: list[Frame], side: int) -> list[Frame]:
    """Return source, driving frame, warped source and output, `side` pixels wide."""
    images = [to_model_input(each, model.frame_size, torch.device("cpu")) for each in frames]
    source, driving = images
    background = model.background(source, driving)
    motion = model.motion(source, model.keypoints(source), model.keypoints(driving), background)
    shown = torch.cat([source, driving, motion.warp(source), model.generate(source, motion)])
    return to_frames(
        torch.nn.functional.interpolate(shown.clamp(0, 1), (side, side), mode="bicubic")
    )


if __name__ == "__main__":
    app()
