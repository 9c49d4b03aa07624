"""``cpabmm preprocess mgif``: convert GIFs to square clips."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.failures import RUN_FAILED
from cpabmm_cli.options import (
    ClipFormatOption,
    ForceOption,
    JsonOption,
    OutputFolder,
    WorkersOption,
)
from cpabmm_cli.processes import usable_cores


def mgif(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="Folder of GIFs, or one with train/ and test/."),
    ],
    *,
    output: OutputFolder,
    size: Annotated[int, typer.Option(min=2, help="Side of the clips, in pixels.")] = 256,
    file_format: ClipFormatOption = "png",
    test_share: Annotated[
        float,
        typer.Option(min=0, max=0.99, help="Share of the identities in test/, if IN has no split."),
    ] = 0.1,
    workers: WorkersOption = None,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Convert GIFs to square clips of one size, composited on white."""
    from cpabmm_core.data.preprocess import convert_gifs

    with terminal.counter("converting") as progress:
        summary = convert_gifs(
            source,
            output,
            size=size,
            file_format=file_format,
            test_share=test_share,
            workers=workers or usable_cores(),
            force=force,
            report=terminal.error,
            progress=progress,
        )
    skipped = f", {summary.left_out} GIFs skipped" if summary.left_out else ""
    terminal.say(f"{summary.train} clips in train, {summary.test} in test{skipped}")
    terminal.result(as_json({**asdict(summary), "output": str(output)}) if json else str(output))
    if summary.left_out:
        raise typer.Exit(RUN_FAILED)
