"""Animate a dog that faces left by one that faces right, as in docs/animate.md.

python examples/mirror_driving.py -o docs/images/mirror-driving.png
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from cpabmm_core import load_model
from cpabmm_core.inference import Animator
from cpabmm_core.media import write_image
from cpabmm_core.puppets import render_puppet
from cpabmm_core.visualize import side_by_side

app = typer.Typer(add_completion=False)

SEED, SOURCE, DRIVING = 20261122, 8, 17
FRAMES, SHOWN = 40, (0, 8, 16, 24, 39)  # of the driving video; the first shows the source's pose


@app.command()
def main(output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")]) -> None:
    """Write two rows for the plain and two for the mirrored driving video: it, and the result."""
    model = load_model("puppets", device="cpu")
    source, video = (
        render_puppet(SEED, index, split="test", frames=FRAMES, size=model.frame_size).frames
        for index in (SOURCE, DRIVING)
    )
    plain = video[list(SHOWN)]
    rows = []
    for driving in (plain, plain[:, :, ::-1].copy()):
        results = [*Animator(model).animate(source[0], driving)]
        rows += [side_by_side([source[0], *driving]), side_by_side([source[0], *results])]
    write_image(output, np.concatenate(rows))
    typer.echo(output)


if __name__ == "__main__":
    app()
