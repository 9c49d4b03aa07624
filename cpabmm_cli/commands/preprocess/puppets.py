"""``cpabmm preprocess puppets``: render a data set of procedural characters."""

from typing import Annotated, Literal

import typer

from cpabmm_cli.console import terminal
from cpabmm_cli.options import ForceOption, OutputFolder, WorkersOption
from cpabmm_cli.processes import usable_cores


def puppets(
    *,
    output: OutputFolder,
    videos: Annotated[int, typer.Option(min=1, help="Videos in train/.")] = 200,
    test_videos: Annotated[
        int, typer.Option(min=0, help="Videos in test/, with other characters.")
    ] = 20,
    frames: Annotated[int, typer.Option(min=2, help="Frames per video, at 25 per second.")] = 64,
    size: Annotated[int, typer.Option(min=32, help="Side of the square frames, in pixels.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Seed that determines the puppets.")] = 0,
    file_format: Annotated[
        Literal["mp4", "strip", "png"],
        typer.Option(
            "--format",
            help="mp4: small. strip: frames side by side in one PNG. png: folders of frames.",
        ),
    ] = "mp4",
    workers: WorkersOption = None,
    force: ForceOption = False,
) -> None:
    """Render a data set of puppets, two- and four-legged characters with known joints."""
    from cpabmm_core.puppets import write_puppets

    with terminal.counter("rendering") as progress:
        write_puppets(
            output,
            videos=videos,
            test_videos=test_videos,
            frames=frames,
            size=size,
            seed=seed,
            format=file_format,
            workers=workers or usable_cores(),
            force=force,
            progress=progress,
        )
    terminal.result(str(output))
