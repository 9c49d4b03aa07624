"""``cpabmm reconstruct``: videos drawn again from their first frames, a test of a model."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cpabmm_cli.checkpoints import announce_model, ready
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import (
    BatchSizeOption,
    CheckpointOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    OutputFolder,
    PrecisionOption,
)
from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT


def reconstruct(
    videos: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO|DIR",
            help="A video, or a folder with one in each file or in each sub-folder of frames.",
        ),
    ],
    *,
    output: OutputFolder,
    checkpoint: CheckpointOption = DEFAULT_CHECKPOINT,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    batch_size: BatchSizeOption = None,
    format: Annotated[
        Literal["mp4", "png"],
        typer.Option(help="mp4: a lossy video each; png: a lossless folder of frames each."),
    ] = "mp4",
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Draw each video again from its first frame, and measure how far it is from the real one."""
    from cpabmm_core.media.output import atomic_folder, check_output_folder
    from cpabmm_core.media.timed_frames import clips_by_name, open_frames

    check_output_folder(output, force=force, inputs=[videos])
    clips = {name: open_frames(path) for name, path in clips_by_name(videos).items()}

    from cpabmm_core import load_model  # torch only now: bad files fail at once
    from cpabmm_core.inference.reconstructor import summarise
    from cpabmm_core.inference.video import reconstruct_video

    model = load_model(ready(checkpoint), device)
    chosen = announce_model(checkpoint, model, precision)
    drawn, scores = [], []
    with (
        atomic_folder(output, force=force) as folder,
        terminal.counter("reconstructing") as progress,
    ):
        for name, clip in clips.items():
            as_frames = format == "png"
            drawn.append(
                reconstruct_video(
                    model,
                    clip,
                    folder / (name if as_frames else f"{name}.mp4"),
                    as_frames=as_frames,
                    batch_size=batch_size,
                    precision=precision,
                )
            )
            scores.append(
                {
                    "name": name,
                    "frames": drawn[-1].frames,
                    "l1": drawn[-1].l1,
                    "standing_still": drawn[-1].standing_still,
                }
            )
            terminal.say(f"{name}  {_line(scores[-1])}")
            progress(len(scores), len(clips))
    means = asdict(summarise(drawn))
    terminal.say(f"mean of {sum(each.frames for each in drawn)} frames  {_line(means)}")
    terminal.say(f"mean of {len(drawn)} videos  l1 {means['l1_videos']:.5f}")
    if json:
        found = {**means, "videos": scores, "precision": chosen, "output": str(output)}
        terminal.result(as_json(found))
    else:
        terminal.result(str(output))


def _line(score: dict[str, Any]) -> str:
    share = score["l1"] / score["standing_still"] if score["standing_still"] else float("nan")
    return f"l1 {score['l1']:.5f}, standing still {score['standing_still']:.5f}, ratio {share:.3f}"
