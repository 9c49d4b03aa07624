"""Plot the stages of the bundled model on one pair of frames, as in docs/concepts/model.md.

python examples/plot_model_stages.py -o docs/images/model-stages.png
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from cpabmm_core import load_model
from cpabmm_core.inference import to_frames, to_model_input
from cpabmm_core.media import write_image
from cpabmm_core.models import Motion
from cpabmm_core.puppets import render_puppet
from cpabmm_core.visualize import Picture, overlay_grid, overlay_keypoints, side_by_side

app = typer.Typer(add_completion=False)

SEED, INDEX, FRAMES = 4711, 3, 33
GROUPS = 10
GRID_SPACING = 8
DESATURATED = 0.75  # share of grey in the image below the grid
GAP, PALE = 4, 215  # pixels between images, and their grey level


@app.command()
def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")],
    side: Annotated[int, typer.Option(min=96, help="Side of one image in pixels.")] = 176,
) -> None:
    """Write two rows: source, driving and generated frame; contributions, flow and occlusion."""
    model = load_model("puppets", device="cpu")
    video = render_puppet(SEED, INDEX, split="test", frames=FRAMES, size=model.frame_size)
    source, driving = (
        to_model_input(frame, model.frame_size, torch.device("cpu"))
        for frame in (video.frames[0], video.frames[-1])
    )
    with torch.inference_mode():
        kp_source, kp_driving = model.keypoints(source), model.keypoints(driving)
        motion = model.motion(source, kp_source, kp_driving, model.background(source, driving))
        generated = model.generate(source, motion)
    frames = [
        overlay_keypoints(enlarge(source, side), kp_source[0].numpy(), groups=GROUPS, radius=2.5),
        overlay_keypoints(enlarge(driving, side), kp_driving[0].numpy(), groups=GROUPS, radius=2.5),
        enlarge(generated, side),
    ]
    maps = [
        contributions(driving, motion, side),
        flow_grid(source, motion, side),
        enlarge(motion.occlusion_maps[-1].expand(-1, 3, -1, -1), side),
    ]
    rows = [side_by_side(row, gap=GAP, colour=(PALE, PALE, PALE)) for row in (frames, maps)]
    space = np.full((GAP, rows[0].shape[1], 3), PALE, np.uint8)
    write_image(output, np.concatenate([rows[0], space, rows[1]]))
    typer.echo(output)


def enlarge(
    images: Tensor,  # (1, 3, h, w) in [0, 1]
    side: int,
) -> Picture:
    """Resize one image to a square of `side` pixels."""
    return to_frames(F.interpolate(images, (side, side), mode="bilinear"))[0]


def contributions(
    driving: Tensor,  # (1, 3, H, W) in [0, 1]
    motion: Motion,
    side: int,
) -> Picture:
    """Colour each position of the driving frame by the candidates that contribute to it."""
    colours = np.array([candidate_colour(k) for k in range(motion.contribution_maps.shape[1])])
    mixed = torch.einsum("bkhw,kc->bchw", motion.contribution_maps, torch.tensor(colours).float())
    large = F.interpolate(mixed, driving.shape[2:], mode="bilinear")
    return enlarge(0.6 * large + 0.4 * driving.mean(1, keepdim=True), side)


def candidate_colour(candidate: int) -> tuple[float, float, float]:
    """Return grey for the background, a hue for each group, or white for the global candidate."""
    if candidate == 0:
        return 0.45, 0.45, 0.45
    if candidate > GROUPS:
        return 1.0, 1.0, 1.0
    angle = 2 * np.pi * (candidate - 1) / GROUPS
    red, green, blue = (0.5 + 0.5 * np.cos(angle - 2 * np.pi * k / 3) for k in range(3))
    return float(red), float(green), float(blue)


def flow_grid(
    source: Tensor,  # (1, 3, H, W) in [0, 1]
    motion: Motion,
    side: int,
) -> Picture:
    """Overlay the positions in the source that a regular grid of the driving frame samples."""
    pale = torch.lerp(source, source.mean(1, keepdim=True) * 0.6, DESATURATED)
    flow = F.interpolate(motion.deformation.movedim(-1, 1), (97, 97), mode="bilinear")
    nodes = flow[0].movedim(0, -1).numpy()
    return overlay_grid(enlarge(pale, side), nodes, spacing=GRID_SPACING, colour=(255, 255, 255))


if __name__ == "__main__":
    app()
