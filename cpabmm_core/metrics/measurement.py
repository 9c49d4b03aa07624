"""All measures of a set of videos in one pass, in which no more than a few frames are in memory."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.extractors.interface import ExtractorInfo
from cpabmm_core.metrics.results import SetResult
from cpabmm_core.metrics.sharing import Share
from cpabmm_core.metrics.summary import VideoRecord, joined, summarise
from cpabmm_core.metrics.video_metric import FrameMetric, Frames, SetMetric, VideoMetric
from cpabmm_core.metrics.video_pairs import paired_frames

FRAMES_AT_ONCE = 16


class Measurement:
    """Hands each frame to every measure, and sums up at the end.

    Call `start_video`, `update` as often as there are frames, and `end_video`, for each video; then
    `result`.
    """

    def __init__(
        self, video_metrics: Sequence[VideoMetric], set_metrics: Sequence[SetMetric] = ()
    ) -> None:
        self._video_metrics = video_metrics
        self._set_metrics = set_metrics
        self._metrics: list[FrameMetric] = [*video_metrics, *set_metrics]
        self._name, self._frames = "", 0

    def start_video(self, name: str) -> None:
        """The frames of this video follow."""
        self._name, self._frames = name, 0
        for metric in self._metrics:
            metric.start_video(name)

    def update(self, real: Frames, generated: Frames) -> None:
        """Take the next frames of the video, of one shape (F, H, W, 3).

        Raises:
            DataError: they cannot be measured.
        """
        self._frames += len(real)
        for metric in self._metrics:
            metric.update(real, generated)

    def end_video(self) -> VideoRecord:
        """What was measured of the video since `start_video`."""
        sums = joined([metric.compute() for metric in self._video_metrics])
        return VideoRecord(self._name, self._frames, sums)

    def states(self) -> list[object]:
        """What `result` needs of the measures of whole sets; can be pickled."""
        return [metric.state() for metric in self._set_metrics]

    def result(self, videos: Sequence[VideoRecord], states: Sequence[list[object]]) -> SetResult:
        """The figures of a set.

        Args:
            videos: its videos, one at least, in the order they are to be listed in.
            states: `states` of each process that measured some of them.
        """
        for number, metric in enumerate(self._set_metrics):
            metric.merge([of_process[number] for of_process in states])
        of_set = {metric.part: metric.compute() for metric in self._set_metrics}
        return summarise(videos, of_set, self._infos())

    def _infos(self) -> dict[str, ExtractorInfo]:
        return {metric.part: metric.info for metric in self._metrics if metric.info is not None}


def measure_videos(
    pairs: Sequence[tuple[Path, Path]],
    measurement: Measurement,
    share: Share,
    *,
    frames_at_once: int = FRAMES_AT_ONCE,
    progress: Callable[[int, int], None] = lambda _, __: None,
    report: Callable[[str], None] = lambda _: None,
) -> SetResult:
    """Measure generated videos against real ones, in all processes together.

    The processes find the figures of one process to the last digit, but for those of sets as a
    whole, whose sums are added in another order.

    Args:
        pairs: a real video and the generated one each, one pair at least (`match_videos`).
        measurement: what to measure.
        share: the processes.
        frames_at_once: frames of a video that are measured at once; more need more memory.
        progress: called after each video with the number of this process's videos done and in all.
        report: is told of each video whose real frames were cut or resized, in one line.

    Raises:
        DataError: two videos differ in length or size, or cannot be measured.
        MediaError: a file is missing or broken.
    """
    mine = share.mine(list(enumerate(pairs)))
    found: list[tuple[int, VideoRecord, list[str]]] = []
    for number, pair in mine:
        told: list[str] = []
        found.append((number, _measure(pair, measurement, frames_at_once, told.append), told))
        progress(len(found), len(mine))
    everything = sorted(share.gathered(found), key=lambda entry: entry[0])
    for _, _, told in everything:
        for line in told:
            report(line)
    states = share.gathered([measurement.states()])
    return measurement.result([record for _, record, _ in everything], states)


def _measure(
    pair: tuple[Path, Path],
    measurement: Measurement,
    frames_at_once: int,
    report: Callable[[str], None],
) -> VideoRecord:
    real, generated = pair
    measurement.start_video(real.name if real.is_dir() else real.stem)
    for stacks in paired_frames(real, generated, frames_at_once, report=report):
        try:
            measurement.update(*stacks)
        except DataError as error:
            raise DataError(f"{generated}: {error}") from None
    return measurement.end_video()
