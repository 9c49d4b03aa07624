"""Writing the report."""

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
from cpabmm_core.metrics.report.figures import histogram, known, measured, shown, worst_first
from cpabmm_core.metrics.report.panels import (
    ERROR_TOP,
    MOST_FRAMES,
    SIDE,
    Panels,
    draw_panels,
)
from cpabmm_core.metrics.results import MEASURES, Measure, SetResult, VideoResult
from cpabmm_core.visualize.heat import heat_colours

_PACKAGE = "cpabmm_core.metrics.report"
_LEGEND_STEPS = 17
_MEGA = 1e6


def write_report(
    path: Path,
    result: SetResult,
    pairs: Sequence[tuple[Path, Path]],
    *,
    force: bool,
    most_panels: int = 24,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write one HTML page that shows everything and needs no other file and no network.

    Args:
        path: the page to be.
        result: what was measured, of one video at least.
        pairs: the real and the generated clip of each of `result.videos`, in their order.
        force: replace a file that is there.
        most_panels: videos whose frames are shown, the worst by the first measure; the table has
            all of them.
        progress: called after each of these with the number done and the total.

    Raises:
        DataError: the pairs are not those of the result.
        OutputExistsError: the file is there and `force` is not set.
        MediaError: a clip cannot be read, or the page cannot be written.
        ResourceError: the disk is full.
    """
    if len(pairs) != len(result.videos) or not pairs:
        raise DataError(
            f"{path}: a report needs the clips of its {len(result.videos)} videos (one at least), "
            f"got {len(pairs)}"
        )
    with atomic_path(path, force=force) as temporary:
        order = worst_first(result.videos, MEASURES[0])
        panels: dict[int, Panels] = {}
        for index in order[:most_panels]:
            panels[index] = draw_panels(*pairs[index])
            if progress:
                progress(len(panels), min(most_panels, len(order)))
        temporary.write_text(_render(result, pairs, order, panels), encoding="utf-8")


def _render(
    result: SetResult,
    pairs: Sequence[tuple[Path, Path]],
    order: Sequence[int],
    panels: Mapping[int, Panels],
) -> str:
    # What people named their files must never become part of the page's own language.
    environment = Environment(
        loader=PackageLoader(_PACKAGE, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["known"] = known
    measures = measured(result.videos)
    histograms = [histogram(result.videos, measure) for measure in measures]
    return environment.get_template("page.html.j2").render(
        **_parts("style", "page.css"),
        **_parts("script", "page.js"),
        version=version("cpabmm"),
        names=_names(pairs),
        frames=sum(video.frames for video in result.videos),
        measures=MEASURES,
        titles={measure.key: measure.title for measure in MEASURES},
        result=result,
        columns=measures,
        kinds=sorted({kind for video in result.videos for kind in video.coverage}),
        rows=[_row(index, result.videos[index], measures, panels) for index in order],
        histograms=[each for each in histograms if each],
        legend=_legend(),
        limits={"side": SIDE, "frames": MOST_FRAMES, "error": ERROR_TOP},
        megabytes=sum(len(each.poster) + len(each.video or "") for each in panels.values()) / _MEGA,
        left_out=len(order) - len(panels),
    )


def _row(
    index: int, video: VideoResult, measures: Sequence[Measure], panels: Mapping[int, Panels]
) -> dict[str, Any]:
    return {
        "number": index + 1,
        "video": video,
        "values": [(measure, known(video.values.get(measure.key))) for measure in measures],
        "panels": panels.get(index),
    }


def _parts(name: str, file: str) -> dict[str, Any]:
    """A file of the page's own, and the hash by which the page lets the browser run only that."""
    text = (files(_PACKAGE) / file).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return {name: Markup(text), f"{name}_hash": f"sha256-{digest}"}


def _names(pairs: Sequence[tuple[Path, Path]]) -> tuple[str, str]:
    """What was compared: two files, or the folders they lie in."""
    real, generated = pairs[0]
    if len(pairs) == 1:
        return str(real), str(generated)
    return str(real.parent), str(generated.parent)


def _legend() -> list[tuple[float, str]]:
    """Shares of the way up the error map's scale, and their colours."""
    colours = heat_colours()
    places = [step / (_LEGEND_STEPS - 1) for step in range(_LEGEND_STEPS)]
    picked = [colours[round(place * (len(colours) - 1))] for place in places]
    return [
        (place, "#" + "".join(f"{int(part):02x}" for part in colour))
        for place, colour in zip(places, picked, strict=True)
    ]
