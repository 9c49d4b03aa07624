"""Options shared by several commands."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")

Mode = Literal["standard", "relative", "avd"]


def check_device(name: str) -> str:
    """Return the name of a device, or refuse it as wrong usage."""
    if not _DEVICE.fullmatch(name):
        raise typer.BadParameter(f"expected auto, cpu, cuda, cuda:N or mps, got {name!r}")
    return name


def _check_shard(text: str) -> str:
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
        min=1,
        help="Number of frames to process at a time. Fewer need less memory.",
        show_default="depends on the device",
    ),
]
CheckpointOption = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        "-c",
        metavar="NAME|PATH",
        help="Name of a bundled model or published checkpoint, or path of a checkpoint file.",
    ),
]
ClipFormatOption = Annotated[
    Literal["mp4", "png"],
    typer.Option("--format", help="mp4: near-lossless videos. png: lossless folders of frames."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="Device to run on: auto (CUDA, else MPS, else the CPU), cpu, cuda, cuda:N or mps.",
        callback=check_device,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Overwrite existing output.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
OutputFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"],
    typer.Option(
        help="Precision of the networks. auto: 16 bits where the device supports them natively, "
        "else 32."
    ),
]
ShardOption = Annotated[
    str,
    typer.Option(
        metavar="I/N",
        help="Process only part I of N of the videos, with I from 1 to N. A hash of its name "
        "assigns each video to a part.",
        callback=_check_shard,
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Number of worker processes.", show_default="all cores")
]
