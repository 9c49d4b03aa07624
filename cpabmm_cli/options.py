"""Arguments and options that several commands share."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")

Mode = Literal["standard", "relative", "avd"]


def _known_device(name: str) -> str:
    if not _DEVICE.fullmatch(name):
        raise typer.BadParameter(f"expected auto, cpu, cuda, cuda:N or mps, got {name!r}")
    return name


def _well_formed_shard(text: str) -> str:
    from cpabmm_core.data.preprocess.shard import Shard
    from cpabmm_core.errors import ConfigError

    try:
        Shard.parse(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    return text


BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Frames drawn at a time; fewer need less memory.", show_default="by device"
    ),
]
CheckpointOption = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        "-c",
        metavar="NAME|PATH",
        help="A bundled model or public checkpoint by name, or a file, ours or published.",
    ),
]
ClipFormatOption = Annotated[
    Literal["mp4", "png"],
    typer.Option("--format", help="mp4: near-lossless; png: folders of frames, lossless."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="auto (CUDA, else MPS, else the CPU), cpu, cuda, cuda:N or mps.",
        callback=_known_device,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Overwrite what is there.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
OutputFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"],
    typer.Option(help="Of the networks; auto: 16 bits where the device supports them natively."),
]
ShardOption = Annotated[
    str,
    typer.Option(
        metavar="I/N",
        help="Work on part I of N of the videos, from 1; a hash of each name decides.",
        callback=_well_formed_shard,
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes to work with.", show_default="all cores")
]
