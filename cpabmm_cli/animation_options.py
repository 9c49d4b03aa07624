"""The options of ``cpabmm animate``, in groups for its help."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cpabmm_cli.options import check_device

_PICTURE = "Picture"
_MOTION = "Motion"
_RESULT = "Result"
_MODEL = "Model and device"
_BATCH = "Batches"

SourceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        help="Picture or video to animate; - is standard input.",
        show_default=False,
    ),
]
DrivingArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="DRIVING",
        help="Video, animated picture or folder of frames that provides the motion, or a file of "
        "--save-motion. - is standard input, camera:N a camera.",
        show_default=False,
    ),
]
CropOption = Annotated[
    str,
    typer.Option(
        metavar="none|auto|X,Y,W,H",
        help="Part of the source to animate. auto: around the model's keypoints. X,Y,W,H: pixels.",
        rich_help_panel=_PICTURE,
    ),
]
DrivingCropOption = Annotated[
    str,
    typer.Option(
        metavar="none|auto|X,Y,W,H",
        help="Part of the driving frames to use, the same in all of them.",
        rich_help_panel=_PICTURE,
    ),
]
MirrorOption = Annotated[
    bool,
    typer.Option(
        "--mirror",
        help="Mirror the driving frames: for objects that face opposite ways.",
        rich_help_panel=_PICTURE,
    ),
]
FitOption = Annotated[
    Literal["crop", "pad"],
    typer.Option(
        help="A part that is not square. crop: animate its centred square. pad: animate all of it.",
        rich_help_panel=_PICTURE,
    ),
]
PasteBackOption = Annotated[
    bool,
    typer.Option(
        "--paste-back",
        help="Paste the animated part into the whole source.",
        rich_help_panel=_PICTURE,
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLOUR|keep",
        help="Colour below transparent parts of the source. keep: stay transparent.",
        show_default="keep where the format can, else white",
        rich_help_panel=_PICTURE,
    ),
]
ModeOption = Annotated[
    Literal["standard", "relative", "avd"],
    typer.Option(
        metavar="MODE",
        help="Use of the driving poses. relative: apply the movement since the reference frame to "
        "the source's pose. standard: use them unchanged. avd: apply them to the shape of the "
        "source's object; needs a model with an avd network.",
        rich_help_panel=_MOTION,
    ),
]
ReferenceOption = Annotated[
    str,
    typer.Option(
        "--reference-frame",
        metavar="auto|N",
        help="Driving frame that shows the source's pose, from 0. auto: the nearest in shape.",
        rich_help_panel=_MOTION,
    ),
]
MotionScaleOption = Annotated[
    float,
    typer.Option(
        min=0, max=10, metavar="FACTOR", help="Strength of the motion.", rich_help_panel=_MOTION
    ),
]
SmoothOption = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        metavar="AMOUNT",
        help="Smooth the motion over time, from 0 to 1.",
        rich_help_panel=_MOTION,
    ),
]
HullScalingOption = Annotated[
    Literal["on", "off"] | None,
    typer.Option(
        metavar="on|off",
        help="Scale movements to the size of the source's object.",
        show_default="as the model was trained",
        rich_help_panel=_MOTION,
    ),
]
MotionOption = Annotated[
    Literal["model", "cpab"],
    typer.Option(
        help="Motion model: that of the checkpoint, or CPAB fits of its keypoints.",
        rich_help_panel=_MOTION,
    ),
]
SaveMotionOption = Annotated[
    str | None,
    typer.Option(
        "--save-motion",
        metavar="FILE",
        help="Also save the motion as .safetensors, to use as DRIVING later.",
        rich_help_panel=_MOTION,
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="File to write: .mp4, .webm, .mov, .mkv, .gif, .webp or .apng. NAME/ is a folder of "
        "PNG frames, - standard output.",
        show_default="SOURCE--DRIVING.mp4",
        rich_help_panel=_RESULT,
    ),
]
SizeOption = Annotated[
    int | None,
    typer.Option(
        min=16,
        max=16_384,
        metavar="PX",
        help="Longer side of the result in pixels.",
        show_default="that of the source",
        rich_help_panel=_RESULT,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="Format of the result where its name does not tell: mp4, mov, mkv, webm, gif, webp, "
        "apng, png, y4m or nut.",
        show_default="by the suffix",
        rich_help_panel=_RESULT,
    ),
]
CodecOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Video codec: h264, h265, av1, vp9, prores or ffv1.",
        show_default="by the format",
        rich_help_panel=_RESULT,
    ),
]
QualityOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        metavar="1-100",
        help="Quality of the coding.",
        show_default="visually lossless",
        rich_help_panel=_RESULT,
    ),
]
FpsOption = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="Constant frame rate, such as 25 or 30000/1001.",
        show_default="the driving video's timestamps",
        rich_help_panel=_RESULT,
    ),
]
AudioOption = Annotated[
    Literal["copy", "none", "source"],
    typer.Option(
        help="Sound. copy: that of the driving video. source: that of the source video.",
        rich_help_panel=_RESULT,
    ),
]
CompareOption = Annotated[
    bool,
    typer.Option(
        "--compare",
        help="Show source, driving frame and result side by side.",
        rich_help_panel=_RESULT,
    ),
]
VisualizeOption = Annotated[
    bool,
    typer.Option(
        "--visualize",
        help="Show keypoints, flow, contribution maps and occlusion.",
        rich_help_panel=_RESULT,
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", "-f", help="Overwrite existing output.", rich_help_panel=_RESULT),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document to stdout, with --batch one per row.",
        rich_help_panel=_RESULT,
    ),
]
BatchOption = Annotated[
    Path | None,
    typer.Option(
        "--batch",
        metavar="TABLE",
        help="Animate every row of a .csv or .jsonl file with the columns source, driving and "
        "output, and any option by its name. OUT is a folder.",
        rich_help_panel=_BATCH,
    ),
]
SkipExistingOption = Annotated[
    bool,
    typer.Option(
        "--skip-existing", help="Leave out rows whose result exists.", rich_help_panel=_BATCH
    ),
]
CheckpointOption = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        "-c",
        metavar="NAME|PATH",
        help="Name of a bundled model or published checkpoint, or path of a checkpoint file.",
        rich_help_panel=_MODEL,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="Device to run on: auto (CUDA, else MPS, else the CPU), cpu, cuda, cuda:N or mps.",
        callback=check_device,
        rich_help_panel=_MODEL,
    ),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"],
    typer.Option(
        help="Precision of the networks. auto: 16 bits where the device supports them natively, "
        "else 32.",
        rich_help_panel=_MODEL,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of frames to render at a time. Fewer need less memory.",
        show_default="depends on the device",
        rich_help_panel=_MODEL,
    ),
]
