"""``cpabmm animate``: animate the object in an image with the motion of a video."""

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpabmm_cli.checkpoints import announce_model, prepare_checkpoint
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import (
    BatchSizeOption,
    CheckpointOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    Mode,
    PrecisionOption,
)
from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT

if TYPE_CHECKING:
    from cpabmm_core.media.video.sound import SoundReport


def animate(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Image to animate. A video provides its first frame."
        ),
    ],
    driving: Annotated[
        Path, typer.Argument(metavar="DRIVING", help="Video or GIF that provides the motion.")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Video to write. The suffix sets the format: .mp4, .mov, .mkv, .webm or .gif.",
            show_default="SOURCE--DRIVING.mp4",
        ),
    ] = None,
    checkpoint: CheckpointOption = DEFAULT_CHECKPOINT,
    mode: Annotated[
        Mode,
        typer.Option(
            help="How to use the driving poses. relative: apply the movement since the first "
            "driving frame, scaled to the size of the source's object. standard: use the poses "
            "unchanged. avd: apply the poses to the shape of the source's object; needs a model "
            "with an avd network."
        ),
    ] = "relative",
    audio: Annotated[
        Literal["copy", "none"],
        typer.Option(
            help="Sound of the output. copy: that of the driving video, re-encoded only if the "
            "output format cannot hold it. none: no sound."
        ),
    ] = "copy",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    batch_size: BatchSizeOption = None,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Animate an image with the motion of a video, keeping the video's timestamps and sound."""
    from cpabmm_core.files.output import atomic_path, check_output
    from cpabmm_core.media.video import VideoReader, video_format
    from cpabmm_core.media.video.source import read_source

    path = output or Path(f"{source.stem}--{driving.stem}.mp4")
    video_format(path)
    check_output(path, force=force, inputs=[source, driving])
    image = read_source(source)
    with VideoReader(driving) as video:
        from cpabmm_core import Animator, load_model  # imports torch; bad files fail before that
        from cpabmm_core.inference.video import animate_video

        model = load_model(prepare_checkpoint(checkpoint), device)
        animator = Animator(model, mode, precision=precision, batch_size=batch_size)
        chosen = announce_model(checkpoint, model, precision)
        started, sound = monotonic(), _Sound()
        with atomic_path(path, force=force) as temporary, terminal.counter("rendering") as progress:
            count = animate_video(
                animator, image, video, temporary, audio=audio, on_sound=sound, progress=progress
            )
    if not json:
        terminal.result(str(path))
        return
    document = {
        "output": str(path),
        "frames": count,
        "size": [animator.size, animator.size],
        "seconds": round(monotonic() - started, 3),
        "checkpoint": checkpoint,
        "mode": mode,
        "precision": chosen,
        "audio": sound.outcome,
    }
    terminal.result(as_json(document))


class _Sound:
    """Shows what is lost of the sound, and remembers what became of it."""

    def __init__(self) -> None:
        self.outcome = "none"

    def __call__(self, report: "SoundReport") -> None:
        self.outcome = report.outcome
        if report.problem is not None:
            terminal.say(report.problem)
