"""Conversion of decoded sound to mono or stereo, in the format and at the rate of an encoder."""

from collections.abc import Iterator

import av
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.error import BlockingIOError, EOFError
from av.filter import Graph

from cpabmm_core.media.video.sound.layout import AMBISONIC, layout_name

_TWO_CARDIOIDS = "stereo|c0=0.5*c0+0.5*c1|c1=0.5*c0-0.5*c1"
"""Virtual microphones to the left and right, from the channels W and Y of AmbiX."""


def output_layout(frame: AudioFrame) -> str:
    """Return ``mono`` for sound with one channel, else ``stereo``."""
    return "mono" if AudioLayout(layout_name(frame)).nb_channels == 1 else "stereo"


class Mixer:
    """Converts frames of any layout, format and rate; they may change at any frame.

    Surround sound is mixed with the weights of ITU-R BS.775: the centre and the surround channels
    enter with -3 dB, the low-frequency channel is left out.

    Args:
        sample_format: FFmpeg's name of the sample format to produce.
        layout: ``mono`` or ``stereo``.
        rate: samples per second to produce.
    """

    def __init__(self, sample_format: str, layout: str, rate: int) -> None:
        self._target = {
            "sample_fmts": sample_format,
            "channel_layouts": layout,
            "sample_rates": str(rate),
        }
        self._graph: Graph | None = None
        self._source: tuple[str, str, int] | None = None

    def convert(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """Yield the samples that a frame completes.

        Raises:
            FFmpegError: the channels have no known places, or nothing can be computed from them.
        """
        source = (frame.format.name, layout_name(frame), frame.sample_rate)
        if source != self._source:
            yield from self.flush()
            self._graph, self._source = self._build(*source), source
        assert self._graph is not None
        frame.pts = None  # the samples follow one another; the caller counts them
        self._graph.push(frame)
        yield from _pull(self._graph)

    def flush(self) -> Iterator[AudioFrame]:
        """Yield the remaining samples. The next frame starts anew."""
        if self._graph is not None:
            self._graph.push(None)
            yield from _pull(self._graph)
        self._graph = self._source = None

    def _build(self, sample_format: str, layout: str, rate: int) -> Graph:
        graph = Graph()
        source = {"sample_fmt": sample_format, "channel_layout": layout, "sample_rate": str(rate)}
        filters = [graph.add("abuffer", time_base=f"1/{rate}", **source)]
        if layout.startswith(AMBISONIC):
            filters.append(graph.add("pan", _TWO_CARDIOIDS))
        filters += [graph.add("aformat", **self._target), graph.add("abuffersink")]
        graph.link_nodes(*filters).configure()
        return graph


def _pull(graph: Graph) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame


def silence(sample_format: str, layout: str, rate: int, samples: int) -> AudioFrame:
    """Return a silent frame."""
    frame = av.AudioFrame(sample_format, layout, samples)
    frame.sample_rate = rate
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
