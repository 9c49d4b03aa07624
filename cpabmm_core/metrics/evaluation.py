"""Computation of all metrics of a set of videos in one pass and constant memory."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.extractors.interface import ExtractorInfo
from cpabmm_core.metrics.process_group import ProcessGroup, SingleProcess
from cpabmm_core.metrics.results import SetResult
from cpabmm_core.metrics.summary import VideoRecord, merge_sums, summarise
from cpabmm_core.metrics.video_metric import FrameMetric, Frames, SetMetric, VideoMetric
from cpabmm_core.metrics.video_pairs import read_frame_pairs

CHUNK_FRAMES = 16
"""Default number of frames that the metrics receive at a time."""


class Evaluation:
    """Pass frames to several metrics and summarise their values.

    `evaluate_videos` and `StreamingEvaluation` drive it. To drive it yourself, call `start_video`,
    then `update` for each chunk of frames, then `end_video` for each video; then `result`.

    Args:
        video_metrics: metrics of single videos, e.g. ``[FrameQuality()]``.
        set_metrics: metrics of whole sets, e.g. ``[open_fid()]``.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.metrics import Evaluation, FrameQuality
        >>> evaluation = Evaluation([FrameQuality()])
        >>> evaluation.start_video("clip")
        >>> black = np.zeros((2, 16, 16, 3), np.uint8)
        >>> evaluation.update(black, black + np.uint8(255))
        >>> video = evaluation.end_video()
        >>> evaluation.result([video], [evaluation.states()]).values["l1"]
        1.0
    """

    def __init__(
        self, video_metrics: Sequence[VideoMetric], set_metrics: Sequence[SetMetric] = ()
    ) -> None:
        self._video_metrics = video_metrics
        self._set_metrics = set_metrics
        self._metrics: list[FrameMetric] = [*video_metrics, *set_metrics]
        self._name, self._frames = "", 0

    def start_video(self, name: str) -> None:
        """Begin a new video."""
        self._name, self._frames = name, 0
        for metric in self._metrics:
            metric.start_video(name)

    def update(self, real: Frames, generated: Frames) -> None:
        """Add the next frames of the video, both of shape (F, H, W, 3).

        Raises:
            DataError: a metric is undefined for these frames.
        """
        self._frames += len(real)
        for metric in self._metrics:
            metric.update(real, generated)

    def end_video(self) -> VideoRecord:
        """Return the sums over the video since `start_video`."""
        sums = merge_sums([metric.compute() for metric in self._video_metrics])
        return VideoRecord(self._name, self._frames, sums)

    def states(self) -> list[object]:
        """Return the states of the set metrics for `result`; they can be pickled."""
        return [metric.state() for metric in self._set_metrics]

    def result(self, videos: Sequence[VideoRecord], states: Sequence[list[object]]) -> SetResult:
        """Compute the metric values of the set.

        Args:
            videos: records of the videos, at least one, in the order in which to list them.
            states: `states` of each process that evaluated some of the videos.
        """
        for index, metric in enumerate(self._set_metrics):
            metric.merge([of_process[index] for of_process in states])
        set_values = {metric.role: metric.compute() for metric in self._set_metrics}
        return summarise(videos, set_values, self._infos())

    def _infos(self) -> dict[str, ExtractorInfo]:
        return {metric.role: metric.info for metric in self._metrics if metric.info is not None}


def evaluate_videos(
    pairs: Sequence[tuple[Path, Path]],
    evaluation: Evaluation,
    group: ProcessGroup | None = None,
    *,
    chunk_frames: int = CHUNK_FRAMES,
    progress: Callable[[int, int], None] = lambda _, __: None,
    announce: Callable[[str], None] = lambda _: None,
) -> SetResult:
    """Compare generated videos with real ones.

    The values do not depend on the number of processes, to the last digit, except those of set
    metrics, whose sums are added in another order.

    Args:
        pairs: paths of a real and a generated video each, at least one pair (see `match_videos`).
        evaluation: the metrics to compute.
        group: the processes that share the work; None for this process alone.
        chunk_frames: number of frames that the metrics receive at a time; fewer need less memory.
        progress: called after each video with the number of videos done and the total, both of this
            process.
        announce: receives a status message for each video whose real frames were cropped or
            resized.

    Returns:
        Values of each video and of the set.

    Raises:
        DataError: the videos of a pair differ in length or size, or a metric is undefined for them.
        MediaError: a file is missing or damaged.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import numpy as np
        >>> from PIL import Image
        >>> from cpabmm_core.metrics import Evaluation, FrameQuality, evaluate_videos
        >>> with TemporaryDirectory() as folder:
        ...     real, generated = Path(folder, "real.png"), Path(folder, "generated.png")
        ...     Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(real)
        ...     Image.fromarray(np.full((16, 16, 3), 255, np.uint8)).save(generated)
        ...     result = evaluate_videos([(real, generated)], Evaluation([FrameQuality()]))
        >>> result.values["l1"]
        1.0
    """
    group = group or SingleProcess()
    own_pairs = group.split(list(enumerate(pairs)))
    records: list[tuple[int, VideoRecord, list[str]]] = []
    for index, pair in own_pairs:
        messages: list[str] = []
        record = _evaluate_pair(pair, evaluation, chunk_frames, messages.append)
        records.append((index, record, messages))
        progress(len(records), len(own_pairs))
    all_records = sorted(group.gather(records), key=lambda entry: entry[0])
    for _, _, messages in all_records:
        for message in messages:
            announce(message)
    states = group.gather([evaluation.states()])
    return evaluation.result([record for _, record, _ in all_records], states)


def _evaluate_pair(
    pair: tuple[Path, Path],
    evaluation: Evaluation,
    chunk_frames: int,
    announce: Callable[[str], None],
) -> VideoRecord:
    real, generated = pair
    evaluation.start_video(real.name if real.is_dir() else real.stem)
    for chunk in read_frame_pairs(real, generated, chunk_frames, announce=announce):
        try:
            evaluation.update(*chunk)
        except DataError as error:
            raise DataError(f"{generated}: {error}") from None
    return evaluation.end_video()
