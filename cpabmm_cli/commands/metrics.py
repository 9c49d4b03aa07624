"""``cpabmm metrics``: how near generated videos are to the real ones."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.launching import run_processes
from cpabmm_cli.options import DeviceOption, ForceOption, JsonOption
from cpabmm_cli.processes import is_main, is_orphan, is_worker

if TYPE_CHECKING:
    from cpabmm_cli.measures import Wanted
    from cpabmm_core.metrics.results import SetResult
    from cpabmm_core.metrics.sharing import Share

Pairs = list[tuple[Path, Path]]
_FRAMES_AT_ONCE = 16
_ORPHANED = 143
_AGAIN = "start again; what the extractors found is kept"


def metrics(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="REAL GENERATED",
            help="Two videos or images, or two folders of them, of the same names. With --compare: "
            "documents that metrics --json printed, each FILE, FOLDER or LABEL=FILE.",
        ),
    ],
    *,
    keypoints: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="For AKD and MKR: auto, none, puppets, faces, faces-dlib, bodies, another "
            "installed extractor, or keypoints in an .npz or .csv file.",
        ),
    ] = "auto",
    identity: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="For AED: auto, none, puppets, faces-dlib, dino, another installed extractor, "
            "MODEL.onnx, or embeddings in an .npz or .csv file.",
        ),
    ] = "auto",
    lpips: Annotated[bool, typer.Option("--lpips", help="Measure LPIPS too.")] = False,
    fid: Annotated[bool, typer.Option("--fid", help="Measure FID too.")] = False,
    fvd: Annotated[bool, typer.Option("--fvd", help="Measure FVD too.")] = False,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Weights of the network of lpips, fid or fvd."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row for each video and the set.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with videos and error maps.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Put several measured runs into one table.")
    ] = False,
    table_format: Annotated[
        Literal["text", "markdown", "latex", "json"],
        typer.Option("--format", help="Of the table of --compare."),
    ] = "text",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Frames measured at a time; fewer need less memory.")
    ] = _FRAMES_AT_ONCE,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes on this machine that share the videos.")
    ] = 1,
    offline: Annotated[
        bool, typer.Option("--offline", help="Download nothing; weights must be at hand.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Measure how near generated videos are to real ones, or compare such measurements."""
    if compare:
        _compare(paths, "json" if json else table_format)
        return
    if len(paths) != 2:
        raise typer.BadParameter(f"expected two, got {len(paths)}", param_hint="REAL GENERATED")
    from cpabmm_cli.measures import Wanted

    wanted = Wanted(keypoints, identity, lpips, fid, fvd, weights or ())
    wanted.weight_paths()
    pairs = _pairs(paths, [file for file in (csv, report) if file is not None], force=force)
    if processes > 1 and not is_worker():
        raise typer.Exit(run_processes(sys.argv[1:], processes, cure=_AGAIN))
    terminal.quiet = terminal.quiet or not is_main()
    result = _measure(pairs, wanted, device, offline=offline, frames_at_once=batch_size)
    if not is_main():
        return
    _print(result, as_document=json)
    if csv is not None:
        from cpabmm_core.metrics.results_csv import write_csv

        write_csv(csv, result, force=force)
    if report is not None:
        from cpabmm_core.metrics.report import write_report

        with terminal.counter("drawing the report") as progress:
            write_report(report, result, pairs, force=force, progress=progress)


def _print(result: "SetResult", *, as_document: bool) -> None:
    """The figures, before any file that may fail: they may have taken hours."""
    if as_document:
        terminal.result(as_json(result.as_dict()))
        return
    from cpabmm_cli.measured_lines import measured_lines

    for line in measured_lines(result):
        terminal.result(line)


def _pairs(paths: list[str], outputs: list[Path], *, force: bool) -> Pairs:
    """Which videos belong together, after a look at what would be written."""
    from cpabmm_core.files.output import check_output
    from cpabmm_core.metrics.video_pairs import match_videos

    real, generated = (Path(path) for path in paths)
    for output in outputs:
        check_output(output, force=force, inputs=[real, generated])
    return match_videos(real, generated)


def _measure(
    pairs: Pairs, wanted: "Wanted", device: str, *, offline: bool, frames_at_once: int
) -> "SetResult":
    from cpabmm_cli.measures import open_measurement
    from cpabmm_core.metrics.extractors import Request
    from cpabmm_core.metrics.measurement import measure_videos
    from cpabmm_core.metrics.video_pairs import one_sided_loss

    warnings = one_sided_loss(pairs)  # finds files that cannot be read before networks are loaded
    with _share(device) as (share, own_device), terminal.counter("measuring") as bar:
        request = Request(device=own_device, allow_download=not offline, announce=terminal.say)
        with share.main_first():
            measurement = open_measurement(wanted, [real for real, _ in pairs], request)
        for line in warnings:
            terminal.say(line)

        def progress(done: int, total: int) -> None:
            if is_orphan():
                sys.exit(_ORPHANED)
            bar(done, total)

        return measure_videos(
            pairs,
            measurement,
            share,
            frames_at_once=frames_at_once,
            progress=progress,
            report=terminal.say,
        )


@contextmanager
def _share(device: str) -> "Iterator[tuple[Share, str]]":
    """The share of this process, and the device that it computes on."""
    from cpabmm_core.metrics.sharing import OneProcess, accelerated_processes

    if not is_worker():
        yield OneProcess(), device
        return
    with accelerated_processes(device) as share:
        yield share, share.device if device == "auto" else device


def _compare(given: list[str], table_format: str) -> None:
    from cpabmm_core.metrics.comparison import compare, differences, read_run
    from cpabmm_core.metrics.comparison_formats import (
        as_document,
        as_latex,
        as_markdown,
        as_text,
    )

    runs = [read_run(each) for each in given]
    comparison = compare(runs)
    for line in differences(runs):
        terminal.say(line)
    if table_format == "json":
        terminal.result(as_json(as_document(comparison)))
        return
    drawn = {"text": as_text, "markdown": as_markdown, "latex": as_latex}[table_format]
    terminal.result(drawn(comparison))
