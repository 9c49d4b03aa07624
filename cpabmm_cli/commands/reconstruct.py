"""``cpabmm reconstruct``: videos drawn again from their first frames, a test of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cpabmm_cli.checkpoints import announce_model, prepare_checkpoint
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

if TYPE_CHECKING:
    from cpabmm_core.inference.reconstructor import Reconstruction
    from cpabmm_core.metrics.frame_by_frame import FrameByFrame
    from cpabmm_core.metrics.results import SetResult

# The files of values that `metrics` takes.
_TABLES = (".npz", ".csv")


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
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Measure all that `metrics` does, while drawing.")
    ] = False,
    keypoints: Annotated[
        str | None,
        typer.Option(metavar="E", help="As for `metrics`.", show_default="auto"),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(metavar="E", help="As for `metrics`.", show_default="auto"),
    ] = None,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Draw each video again from its first frame, and measure how far it is from the real one."""
    from cpabmm_core.files.output import atomic_folder, check_output_folder
    from cpabmm_core.media.timed_frames import clips_by_name, open_frames

    _check_extractors(metrics, {"--keypoints": keypoints, "--identity": identity})
    check_output_folder(output, force=force, inputs=[videos])
    paths = clips_by_name(videos)
    clips = {name: open_frames(path) for name, path in paths.items()}

    from cpabmm_core import load_model  # torch only now: bad files fail at once
    from cpabmm_core.inference.video import reconstruct_video

    model = load_model(prepare_checkpoint(checkpoint), device)
    chosen = announce_model(checkpoint, model, precision)
    watch = _watch(list(paths.values()), keypoints, identity, device) if metrics else None
    drawn, scores = [], []
    with (
        atomic_folder(output, force=force) as folder,
        terminal.counter("reconstructing") as progress,
    ):
        for name, clip in clips.items():
            if watch:
                watch.start_video(name)
            as_frames = format == "png"
            drawn.append(
                reconstruct_video(
                    model,
                    clip,
                    folder / (name if as_frames else f"{name}.mp4"),
                    as_frames=as_frames,
                    batch_size=batch_size,
                    precision=precision,
                    watch=watch,
                )
            )
            scores.append(_score(name, drawn[-1]))
            terminal.say(f"{name}  {_line(scores[-1])}")
            progress(len(scores), len(clips))
        measured = watch.result() if watch else None
    found = _summed(drawn, scores)
    if measured:
        found = _with_measured(found, measured)
    if json:
        terminal.result(as_json({**found, "precision": chosen, "output": str(output)}))
    else:
        terminal.result(str(output))


def _check_extractors(metrics: bool, names: Mapping[str, str | None]) -> None:
    for option, name in names.items():
        if name is not None and not metrics:
            raise typer.BadParameter("needs --metrics", param_hint=option)
        if Path(name or "").suffix.lower() in _TABLES:
            message = f"{name} cannot know frames that are yet to be drawn; run metrics afterwards"
            raise typer.BadParameter(message, param_hint=option)


def _watch(
    videos: Sequence[Path], keypoints: str | None, identity: str | None, device: str
) -> "FrameByFrame":
    from cpabmm_cli.measures import AUTO, Wanted, open_measurement
    from cpabmm_core.metrics.extractors import Request
    from cpabmm_core.metrics.frame_by_frame import FrameByFrame

    wanted = Wanted(keypoints or AUTO, identity or AUTO)
    request = Request(device=device, announce=terminal.say)
    return FrameByFrame(open_measurement(wanted, videos, request))


def _score(name: str, drawn: "Reconstruction") -> dict[str, Any]:
    return {
        "name": name,
        "frames": drawn.frames,
        "l1": drawn.l1,
        "standing_still": drawn.standing_still,
    }


def _line(score: dict[str, Any]) -> str:
    share = score["l1"] / score["standing_still"] if score["standing_still"] else float("nan")
    return f"l1 {score['l1']:.5f}, standing still {score['standing_still']:.5f}, ratio {share:.3f}"


def _summed(drawn: "Sequence[Reconstruction]", scores: list[dict[str, Any]]) -> dict[str, Any]:
    from cpabmm_core.inference.reconstructor import summarise

    means = asdict(summarise(drawn))
    terminal.say(f"mean of {sum(each.frames for each in drawn)} frames  {_line(means)}")
    terminal.say(f"mean of {len(drawn)} videos  l1 {means['l1_videos']:.5f}")
    return {**means, "videos": scores}


def _with_measured(found: Mapping[str, Any], measured: "SetResult") -> dict[str, Any]:
    """Both in one document, in which `l1` is that of `metrics`: of frames as they are written."""
    from cpabmm_cli.measured_lines import measured_lines

    for line in measured_lines(measured):
        terminal.say(line)
    document = measured.as_dict()
    videos = zip(found["videos"], document["videos"], strict=True)
    return {**found, **document, "videos": [{**drawn, **video} for drawn, video in videos]}
