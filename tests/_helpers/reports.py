"""Pairs of clips that are easy to tell apart, what was measured of them, and a page taken apart."""

import base64
import io
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from cpabmm_core.media.frame_folder import create_frame_folder
from cpabmm_core.metrics.results import MEASURES, Coverage, SetResult, VideoResult

Frames = NDArray[np.uint8]


def write_frames(path: Path, frames: Frames) -> Path:
    """A folder of frames without loss."""
    with create_frame_folder(path) as folder:
        for frame in frames:
            folder.write(frame)
    return path


def flat_frames(
    *greys: int,
    size: tuple[int, int] = (32, 32),  # height, width
) -> Frames:  # (F, H, W, 3)
    """Frames of one grey each."""
    return np.stack([np.full((*size, 3), grey, np.uint8) for grey in greys])


def result_of(
    values: Mapping[str, Mapping[str, float | None]],
    *,
    frames: int = 3,
    coverage: Mapping[str, Coverage] | None = None,
) -> SetResult:
    """A result whose videos have these values, by name and measure."""
    of_set: dict[str, float | None] = dict.fromkeys(measure.key for measure in MEASURES)
    of_set["l1"] = 0.125
    weights = "0123456789abcdef" * 4
    keypoints = {"name": "puppets", "version": "7", "weights": weights, "options": {"side": "9"}}
    return SetResult(
        values=of_set,
        intervals={"l1": (0.0625, 0.25)},
        coverage={"keypoints": Coverage(1.0, 0.875)},
        extractors={"keypoints": keypoints, "identity": None},
        videos=[
            VideoResult(name, frames, of_video, coverage or {}) for name, of_video in values.items()
        ],
    )


def decoded(uri: str) -> list[tuple[float, Frames]]:
    """Time in seconds and pixels of each frame of a video in a data URI."""
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
    """The file in a data URI."""
    head, _, text = uri.partition(",")
    assert head.startswith("data:")
    assert head.endswith(";base64")
    return base64.b64decode(text, validate=True)


class Page(HTMLParser):
    """A page's elements, their attributes and their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        """Texts of the cells of every table row."""
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
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
