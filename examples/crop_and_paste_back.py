"""Animate a small character in a large picture, as in docs/animate.md.

python examples/crop_and_paste_back.py -o docs/images/crop-and-paste-back.png
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from cpabmm_core import load_model
from cpabmm_core.inference import (
    Animator,
    InferenceModel,
    Region,
    find_region,
    frame_region,
    paste_back,
)
from cpabmm_core.media import write_image
from cpabmm_core.puppets import render_puppet
from cpabmm_core.visualize import Picture, side_by_side

app = typer.Typer(add_completion=False)

SEED, SOURCE, DRIVING = 11, 6, 11
FRAMES, EVERY = 15, 2  # of the driving video
WIDTH, HEIGHT = 384, 288
SIDE, LEFT, TOP = 144, 200, 110  # of the character's own picture
BODY = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg", "tail")
GREEN, GAP = (0, 200, 80), 6


@app.command()
def main(output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")]) -> None:
    """Write a row: the picture with the region found, what the model sees, and the result."""
    model = load_model("puppets", device="cpu")
    picture = small_character()
    region = find_region(InferenceModel(model), [picture])
    framing = frame_region(WIDTH, HEIGHT, region)
    seen = framing.cut(picture)
    driving = render_puppet(
        SEED, DRIVING, split="test", frames=FRAMES * EVERY, size=model.frame_size
    )
    *_, result = Animator(model).animate(seen, driving.frames[::EVERY])
    pasted = paste_back(picture, framing.uncover(result), framing)
    typer.echo(f"crop {region}")
    write_image(output, side_by_side([with_box(picture, region), seen, pasted], gap=GAP))
    typer.echo(output)


def small_character() -> Picture:
    """Render a character that takes up a part of a large scene."""
    scene, empty, character = (
        render_puppet(
            SEED, SOURCE, split="test", frames=1, size=size, hidden=BODY if hidden else ()
        ).frames[0]
        for size, hidden in ((WIDTH, True), (SIDE, True), (SIDE, False))
    )
    picture: Picture = scene[:HEIGHT].copy()  # above the shadow
    place = picture[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    covered = np.abs(character.astype(int) - empty).max(axis=2) > 8
    place[covered] = character[covered]
    return picture


def with_box(picture: Picture, region: Region) -> Picture:
    """Outline a region in a copy of the picture."""
    copy = picture.copy()
    rows = slice(region.top, region.top + region.height)
    columns = slice(region.left, region.left + region.width)
    copy[rows, columns][[0, 1, -2, -1]] = GREEN
    copy[rows, columns][:, [0, 1, -2, -1]] = GREEN
    return copy


if __name__ == "__main__":
    app()
