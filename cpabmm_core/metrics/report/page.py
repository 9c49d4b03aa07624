"""Rendering of the report page."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cpabmm_core.errors import DataError
from cpabmm_core.files.output import atomic_path
from cpabmm_core.metrics.metric_info import METRICS, MetricInfo
from cpabmm_core.metrics.report.panels import (
    ERROR_TOP,
    MAX_FRAMES,
    SIDE,
    Panels,
    render_panels,
)
from cpabmm_core.metrics.report.statistics import (
    build_histogram,
    finite_or_none,
    format_value,
    metrics_with_values,
    rank_worst_first,
)
from cpabmm_core.metrics.results import SetResult, VideoResult
from cpabmm_core.visualize.heat import heat_colours

_PACKAGE = "cpabmm_core.metrics.report"
_LEGEND_STEPS = 17
_MEGA = 1e6


def write_report(
    path: Path,
    result: SetResult,
    pairs: Sequence[tuple[Path, Path]],
    *,
    force: bool = False,
    max_panels: int = 24,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a self-contained HTML page with values, histograms, and videos of the worst results.

    Args:
        path: the page to write.
        result: values of at least one video.
        pairs: paths of the real and the generated video of each of `result.videos`, in their order.
        force: whether to replace an existing file.
        max_panels: number of videos to show, worst L1 first; the table lists all videos.
        progress: called after each rendered video with the number done and the total.

    Raises:
        DataError: the number of pairs differs from the number of videos, or is 0.
        OutputExistsError: the file exists and `force` is not set.
        MediaError: a video cannot be read, or the page cannot be written.
        ResourceError: the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import numpy as np
        >>> from PIL import Image
        >>> from cpabmm_core.metrics import Evaluation, FrameQuality, evaluate_videos, write_report
        >>> with TemporaryDirectory() as folder:
        ...     real, generated = Path(folder, "real.png"), Path(folder, "generated.png")
        ...     Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(real)
        ...     Image.fromarray(np.full((16, 16, 3), 51, np.uint8)).save(generated)
        ...     result = evaluate_videos([(real, generated)], Evaluation([FrameQuality()]))
        ...     write_report(Path(folder, "page.html"), result, [(real, generated)])
        ...     Path(folder, "page.html").read_text().count("0.20000") > 0
        True
    """
    if len(pairs) != len(result.videos) or not pairs:
        raise DataError(
            f"{path}: the report needs one pair of videos per result, "
            f"got {len(pairs)} for {len(result.videos)}"
        )
    with atomic_path(path, force=force) as temporary:
        order = rank_worst_first(result.videos, METRICS[0])
        panels: dict[int, Panels] = {}
        for index in order[:max_panels]:
            panels[index] = render_panels(*pairs[index])
            if progress:
                progress(len(panels), min(max_panels, len(order)))
        temporary.write_text(
            _render(result, pairs, order, panels), encoding="utf-8", errors="backslashreplace"
        )


def _render(
    result: SetResult,
    pairs: Sequence[tuple[Path, Path]],
    order: Sequence[int],
    panels: Mapping[int, Panels],
) -> str:
    # Autoescaping keeps file names from becoming markup.
    environment = Environment(
        loader=PackageLoader(_PACKAGE, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["format_value"] = format_value
    environment.filters["finite_or_none"] = finite_or_none
    columns = metrics_with_values(result.videos)
    histograms = [build_histogram(result.videos, metric) for metric in columns]
    return environment.get_template("page.html.j2").render(
        **_inline("style", "page.css"),
        **_inline("script", "page.js"),
        version=version("cpabmm"),
        names=_names(pairs),
        frames=sum(video.frames for video in result.videos),
        metrics=METRICS,
        titles={metric.key: metric.title for metric in METRICS},
        result=result,
        columns=columns,
        roles=sorted({role for video in result.videos for role in video.coverage}),
        rows=[_row(index, result.videos[index], columns, panels) for index in order],
        histograms=[each for each in histograms if each],
        legend=_legend(),
        limits={"side": SIDE, "frames": MAX_FRAMES, "error": ERROR_TOP},
        megabytes=sum(len(each.poster) + len(each.video or "") for each in panels.values()) / _MEGA,
        omitted=len(order) - len(panels),
    )


def _row(
    index: int, video: VideoResult, columns: Sequence[MetricInfo], panels: Mapping[int, Panels]
) -> dict[str, Any]:
    return {
        "number": index + 1,
        "video": video,
        "values": [(metric, finite_or_none(video.values.get(metric.key))) for metric in columns],
        "panels": panels.get(index),
    }


def _inline(name: str, file: str) -> dict[str, Any]:
    """Return a file of the page and its hash, for the content security policy."""
    text = (files(_PACKAGE) / file).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return {name: Markup(text), f"{name}_hash": f"sha256-{digest}"}


def _names(pairs: Sequence[tuple[Path, Path]]) -> tuple[str, str]:
    """Return what was compared: two files, or the folders of the files."""
    real, generated = pairs[0]
    if len(pairs) == 1:
        return str(real), str(generated)
    return str(real.parent), str(generated.parent)


def _legend() -> list[tuple[float, str]]:
    """Return positions on the colour scale of the error maps, in [0, 1], and their colours."""
    colours = heat_colours()
    places = [step / (_LEGEND_STEPS - 1) for step in range(_LEGEND_STEPS)]
    picked = [colours[round(place * (len(colours) - 1))] for place in places]
    return [
        (place, "#" + "".join(f"{int(part):02x}" for part in colour))
        for place, colour in zip(places, picked, strict=True)
    ]
