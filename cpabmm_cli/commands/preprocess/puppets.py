"""``cpabmm preprocess puppets``: a data set of rendered characters."""

from typing import Annotated, Literal

import typer

from cpabmm_cli.console import terminal
from cpabmm_cli.options import ForceOption, OutputFolder, WorkersOption
from cpabmm_cli.processes import usable_cores


def puppets(
    *,
    output: OutputFolder,
    videos: Annotated[int, typer.Option(min=1, help="Videos in train/.")] = 200,
    test_videos: Annotated[int, typer.Option(min=0, help="Videos in test/, others act.")] = 20,
    frames: Annotated[int, typer.Option(min=2, help="Frames of each video, 25 a second.")] = 64,
    size: Annotated[int, typer.Option(min=16, help="Side of the square frames, in pixels.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other puppets.")] = 0,
    file_format: Annotated[
        Literal["mp4", "strip", "png"],
        typer.Option(
            "--format",
            help="Lossless are strip, the frames side by side in one PNG, and png, a folder each.",
        ),
    ] = "mp4",
    workers: WorkersOption = None,
    force: ForceOption = False,
) -> None:
    """Render a data set of puppets: characters on two and four legs, with their true joints."""
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
