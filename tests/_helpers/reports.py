"""Distinguishable frames, results and a parsed page, for tests of the report."""

import base64
import io
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from cpabmm_core.media.frame_folder import create_frame_folder
from cpabmm_core.metrics.metric_info import METRICS
from cpabmm_core.metrics.results import Coverage, SetResult, VideoResult

Frames = NDArray[np.uint8]


def write_frames(path: Path, frames: Frames) -> Path:
    """Write a folder of lossless frames."""
    with create_frame_folder(path) as folder:
        for frame in frames:
            folder.write(frame)
    return path


def flat_frames(
    *greys: int,
    size: tuple[int, int] = (32, 32),  # height, width
) -> Frames:  # (F, H, W, 3)
    """Return uniformly grey frames."""
    return np.stack([np.full((*size, 3), grey, np.uint8) for grey in greys])


def result_of(
    values: Mapping[str, Mapping[str, float | None]],
    *,
    frames: int = 3,
    coverage: Mapping[str, Coverage] | None = None,
) -> SetResult:
    """Build a result whose videos have these values, by name and metric."""
    set_values: dict[str, float | None] = dict.fromkeys(metric.key for metric in METRICS)
    set_values["l1"] = 0.125
    weights = "0123456789abcdef" * 4
    keypoints = {"name": "puppets", "version": "7", "weights": weights, "options": {"side": "9"}}
    return SetResult(
        values=set_values,
        intervals={"l1": (0.0625, 0.25)},
        coverage={"keypoints": Coverage(1.0, 0.875)},
        extractors={"keypoints": keypoints, "identity": None},
        videos=[VideoResult(name, frames, video, coverage or {}) for name, video in values.items()],
    )


def decoded(uri: str) -> list[tuple[float, Frames]]:
    """Decode a video in a data URI to the time in seconds and the pixels of each frame."""
    with av.open(io.BytesIO(content_of(uri)), "r") as container:
        return [
            (
                float(frame.pts * frame.time_base),
                np.asarray(frame.to_ndarray(format="rgb24"), np.uint8),
            )
            for frame in container.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]


def content_of(uri: str) -> bytes:
    """Return the file in a data URI."""
    head, _, text = uri.partition(",")
    assert head.startswith("data:")
    assert head.endswith(";base64")
    return base64.b64decode(text, validate=True)


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        """Cell texts of every table row."""
        self.text = ""
        self._in: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("td", "th", "style", "script"):
            self._in = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._in:
            self._in = None

    def handle_data(self, data: str) -> None:
        if self._in in ("style", "script"):
            return
        self.text += data
        if self._in is not None:
            self.rows[-1][-1] += data.strip()

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements with a tag."""
        return [attributes for name, attributes in self.elements if name == tag]
