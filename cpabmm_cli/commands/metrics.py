"""``cpabmm metrics``: compare generated videos with real ones."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.launching import run_processes
from cpabmm_cli.options import DeviceOption, ForceOption, JsonOption
from cpabmm_cli.process_groups import join_group
from cpabmm_cli.processes import is_main, is_orphan, is_worker

if TYPE_CHECKING:
    from cpabmm_cli.metric_selection import MetricSelection
    from cpabmm_core.metrics.comparison_formats import TableFormat
    from cpabmm_core.metrics.results import SetResult

Pairs = list[tuple[Path, Path]]
_CHUNK_FRAMES = 16
_ORPHANED = 143  # the exit code of SIGTERM
_RESTART = "start again; results of extractors are cached"


def metrics(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="REAL GENERATED",
            help="Two videos or images, or two folders whose files have the same names. With "
            "--compare: documents that `metrics --json` printed, each as FILE, FOLDER (with "
            "metrics.json) or LABEL=FILE.",
        ),
    ],
    *,
    keypoints: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Extractor of keypoints for AKD and MKR: auto, none, puppets, faces, faces-dlib, "
            "bodies, another installed one, or an .npz or .csv file of keypoints.",
        ),
    ] = "auto",
    identity: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Extractor of identities for AED: auto, none, puppets, faces-dlib, dino, another "
            "installed one, MODEL.onnx, or an .npz or .csv file of embeddings.",
        ),
    ] = "auto",
    lpips: Annotated[
        bool, typer.Option("--lpips", help="Also compute LPIPS, per pair of frames.")
    ] = False,
    fid: Annotated[bool, typer.Option("--fid", help="Also compute FID, over all frames.")] = False,
    fvd: Annotated[
        bool, typer.Option("--fvd", help="Also compute FVD, over clips of 16 frames.")
    ] = False,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="Local file of weights for lpips, fid or fvd. Repeat the option for several.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a CSV table with a row per video."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write an HTML report with error maps.")
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Compare several results in one table instead of videos."),
    ] = False,
    table_format: Annotated[
        Literal["text", "markdown", "latex", "json"],
        typer.Option("--format", help="Format of the --compare table."),
    ] = "text",
    batch_size: Annotated[
        int,
        typer.Option(min=1, help="Number of frames to process at a time. Fewer need less memory."),
    ] = _CHUNK_FRAMES,
    processes: Annotated[
        int, typer.Option(min=1, help="Number of processes that share the videos.")
    ] = 1,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Do not download missing weights; stop with an error instead."
        ),
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Compare generated videos with real ones, or compare several results."""
    if compare:
        _compare(paths, "json" if json else table_format)
        return
    if len(paths) != 2:
        raise typer.BadParameter(
            f"expected two paths, got {len(paths)}", param_hint="REAL GENERATED"
        )
    from cpabmm_cli.metric_selection import MetricSelection

    selection = MetricSelection(keypoints, identity, lpips, fid, fvd, weights or ())
    selection.weight_paths()
    starts_others = processes > 1 and not is_worker()
    terminal.quiet = terminal.quiet or not is_main()
    pairs = _match_pairs(
        paths,
        [file for file in (csv, report) if file is not None],
        force=force,
        tell=(lambda _: None) if starts_others else terminal.say,  # the others tell it themselves
    )
    if starts_others:
        raise typer.Exit(run_processes(sys.argv[1:], processes, cure=_RESTART))
    result = _evaluate(pairs, selection, device, offline=offline, chunk_frames=batch_size)
    if not is_main():
        return
    _print(result, as_document=json)
    if csv is not None:
        from cpabmm_core.metrics.results_csv import write_csv

        write_csv(csv, result, force=force)
    if report is not None:
        from cpabmm_core.metrics.report import write_report

        with terminal.counter("rendering the report") as progress:
            write_report(report, result, pairs, force=force, progress=progress)


def _print(result: "SetResult", *, as_document: bool) -> None:
    """Print the values, before a failure to write other files can lose hours of work."""
    if as_document:
        terminal.result(as_json(result.as_dict()))
        return
    from cpabmm_cli.metric_lines import metric_lines

    for line in metric_lines(result):
        terminal.result(line)


def _match_pairs(
    paths: list[str], outputs: list[Path], *, force: bool, tell: Callable[[str], None]
) -> Pairs:
    """Check the outputs, then match the videos."""
    from cpabmm_core.files.output import check_output
    from cpabmm_core.metrics.video_pairs import match_videos

    real, generated = (Path(path) for path in paths)
    for output in outputs:
        check_output(output, force=force, inputs=[real, generated])
    return match_videos(real, generated, tell)


def _evaluate(
    pairs: Pairs, selection: "MetricSelection", device: str, *, offline: bool, chunk_frames: int
) -> "SetResult":
    from cpabmm_cli.metric_selection import open_evaluation
    from cpabmm_core.metrics.evaluation import evaluate_videos
    from cpabmm_core.metrics.extractors import Request
    from cpabmm_core.metrics.video_pairs import coding_warnings

    warnings = coding_warnings(pairs)  # reports unreadable files before networks load
    with join_group(device) as (group, own_device), terminal.counter("evaluating") as bar:
        request = Request(device=own_device, allow_download=not offline, announce=terminal.say)
        with group.main_first():
            evaluation = open_evaluation(selection, [real for real, _ in pairs], request)
        for line in warnings:
            terminal.say(line)

        def progress(done: int, total: int) -> None:
            if is_orphan():
                sys.exit(_ORPHANED)
            bar(done, total)

        return evaluate_videos(
            pairs,
            evaluation,
            group,
            chunk_frames=chunk_frames,
            progress=progress,
            announce=terminal.say,
        )


def _compare(sources: list[str], table_format: "TableFormat | Literal['json']") -> None:
    from cpabmm_core.metrics.comparison import compare_runs, comparison_warnings, read_run
    from cpabmm_core.metrics.comparison_formats import comparison_document, format_comparison

    runs = [read_run(source) for source in sources]
    comparison = compare_runs(runs)
    for line in comparison_warnings(runs):
        terminal.say(line)
    if table_format == "json":
        terminal.result(as_json(comparison_document(comparison)))
    else:
        terminal.result(format_comparison(comparison, table_format))
