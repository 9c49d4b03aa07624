"""``cpabmm reconstruct``: regenerate videos from their first frames, to test a model."""

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
    from cpabmm_core.inference.reconstructor import VideoScore
    from cpabmm_core.metrics.results import SetResult
    from cpabmm_core.metrics.streaming import StreamingEvaluation

_TABLES = (".npz", ".csv")
"""Suffixes of the files of values that `cpabmm metrics` accepts in place of an extractor."""


def reconstruct(
    videos: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO|DIR",
            help="A video, or a folder with one video per file or per sub-folder of frames.",
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
        typer.Option(help="mp4: write lossy videos. png: write lossless folders of frames."),
    ] = "mp4",
    metrics: Annotated[
        bool,
        typer.Option(
            "--metrics",
            help="Also compute the default metrics of `cpabmm metrics`, in the same pass.",
        ),
    ] = False,
    keypoints: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Extractor of keypoints for AKD and MKR, as in `cpabmm metrics`. Needs --metrics.",
            show_default="auto",
        ),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Extractor of identities for AED, as in `cpabmm metrics`. Needs --metrics.",
            show_default="auto",
        ),
    ] = None,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Regenerate each video from its first frame and compare it with the real one."""
    from cpabmm_core.files.output import atomic_folder, check_output_folder
    from cpabmm_core.media.timed_frames import clips_by_name, open_frames

    _check_extractors(metrics, {"--keypoints": keypoints, "--identity": identity})
    check_output_folder(output, force=force, inputs=[videos])
    paths = clips_by_name(videos, terminal.say)
    clips = {name: open_frames(path) for name, path in paths.items()}

    from cpabmm_core import load_model  # imports torch; bad files fail before that
    from cpabmm_core.inference.video import reconstruct_video

    model = load_model(prepare_checkpoint(checkpoint), device)
    chosen = announce_model(checkpoint, model, precision)
    measure = _evaluation(list(paths.values()), keypoints, identity, device) if metrics else None
    scores: dict[str, VideoScore] = {}
    with (
        atomic_folder(output, force=force) as folder,
        terminal.counter("reconstructing") as progress,
    ):
        for name, clip in clips.items():
            if measure:
                measure.start_video(name)
            scores[name] = reconstruct_video(
                model,
                clip,
                folder / (name if format == "png" else f"{name}.mp4"),
                as_frames=format == "png",
                batch_size=batch_size,
                precision=precision,
                on_pair=measure,
            )
            terminal.say(f"{name}  {_line(scores[name].l1, scores[name].standing_still)}")
            progress(len(scores), len(clips))
        measured = measure.result() if measure else None
    document = _document(scores, measured)
    document |= {"precision": chosen, "output": str(output)}
    terminal.result(as_json(document) if json else str(output))


def _check_extractors(metrics: bool, names: Mapping[str, str | None]) -> None:
    for option, name in names.items():
        if name is not None and not metrics:
            raise typer.BadParameter("needs --metrics", param_hint=option)
        if Path(name or "").suffix.lower() in _TABLES:
            message = (
                f"{name} cannot describe frames that do not exist yet; run `cpabmm metrics` later"
            )
            raise typer.BadParameter(message, param_hint=option)


def _evaluation(
    videos: Sequence[Path], keypoints: str | None, identity: str | None, device: str
) -> "StreamingEvaluation":
    from cpabmm_cli.metric_selection import AUTO, MetricSelection, open_evaluation
    from cpabmm_core.metrics.extractors import Request
    from cpabmm_core.metrics.streaming import StreamingEvaluation

    wanted = MetricSelection(keypoints or AUTO, identity or AUTO)
    request = Request(device=device, announce=terminal.say)
    return StreamingEvaluation(open_evaluation(wanted, videos, request))


def _line(l1: float, standing_still: float) -> str:
    ratio = l1 / standing_still if standing_still else float("nan")
    return f"l1 {l1:.5f}, static baseline {standing_still:.5f}, ratio {ratio:.3f}"


def _document(scores: "Mapping[str, VideoScore]", measured: "SetResult | None") -> dict[str, Any]:
    """Show the scores of the set, and return them with those of its videos and the metrics."""
    from cpabmm_cli.metric_lines import count_of
    from cpabmm_core.inference.reconstructor import score_set

    means = score_set(list(scores.values()))
    frames = sum(video.frames for video in scores.values())
    terminal.say(f"mean of {count_of(frames, 'frame')}  {_line(means.l1, means.standing_still)}")
    terminal.say(f"mean of {count_of(len(scores), 'video')}  l1 {means.l1_videos:.5f}")
    videos = [{"name": name, **asdict(video)} for name, video in scores.items()]
    document = {**asdict(means), "videos": videos}
    return _with_metrics(document, measured) if measured else document


def _with_metrics(document: Mapping[str, Any], measured: "SetResult") -> dict[str, Any]:
    """Show the metrics and add them; their `l1`, of the written frames, replaces the first one."""
    from cpabmm_cli.metric_lines import metric_lines

    for line in metric_lines(measured):
        terminal.say(line)
    metrics = measured.as_dict()
    videos = zip(document["videos"], metrics["videos"], strict=True)
    return {**document, **metrics, "videos": [{**score, **video} for score, video in videos]}
