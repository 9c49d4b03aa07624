"""Render the panel of a training run for a trained model and the test videos of a data set.

python examples/render_panel.py DATA --checkpoint puppets -o panel.png
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
from cpabmm_core.data import open_validation, read_batches
from cpabmm_core.media import write_image
from cpabmm_core.models.build import keypoint_groups
from cpabmm_core.models.pair_reconstruction import reconstruct_pair
from cpabmm_core.training.panels import render_panel

app = typer.Typer(add_completion=False)


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="Folder with test/, one clip per file or folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")],
    checkpoint: Annotated[str, typer.Option(help="Name or path of a model.")] = "puppets",
    pairs: Annotated[int, typer.Option(min=1, max=4, help="Videos to show.")] = 4,
) -> None:
    """Write the panel of the first videos, from first frame to last frame, and print its path."""
    model, config, _ = open_checkpoint(find_checkpoint(checkpoint))
    found = open_validation(data / "test", config.data, frames=1, report=typer.echo)
    if found is None:
        raise typer.BadParameter(f"{data}: no test videos")
    [batch] = read_batches(found, found.batches(pairs)[:1], workers=0)
    source, driving = batch.source, batch.driving
    with torch.inference_mode():
        pair = reconstruct_pair(model, source, driving)
    write_image(output, render_panel(source, driving, pair, keypoint_groups(config.model)))
    typer.echo(output)


if __name__ == "__main__":
    app()
