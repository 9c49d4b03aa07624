"""Selection of metrics and extractors by command-line options.

Commands import this module inside their functions, because the metrics are slow to import.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer

from cpabmm_cli.checkpoints import cache_folder
from cpabmm_cli.console import terminal
from cpabmm_core.metrics.evaluation import Evaluation
from cpabmm_core.metrics.extractor_metrics import (
    PrecomputedMetric,
    Role,
    identity_metric,
    keypoint_metric,
)
from cpabmm_core.metrics.extractors.auto import (
    Choice,
    choose_embedding_extractor,
    choose_keypoint_extractor,
)
from cpabmm_core.metrics.extractors.cache import FrameCache
from cpabmm_core.metrics.extractors.interface import Extractor, ExtractorInfo, Request
from cpabmm_core.metrics.extractors.registry import (
    open_embedding_extractor,
    open_keypoint_extractor,
)
from cpabmm_core.metrics.frame_quality import FrameQuality
from cpabmm_core.metrics.video_metric import SetMetric, VideoMetric

AUTO, NONE = "auto", "none"
_E = TypeVar("_E", bound=Extractor)
_TABLES = (".npz", ".csv")
_NETWORKS = ("lpips", "fid", "fvd")
_TITLES: dict[Role, str] = {"keypoints": "AKD and MKR", "identity": "AED"}


@dataclass(frozen=True)
class MetricSelection:
    """The options that select metrics."""

    keypoints: str = AUTO
    """Keypoint extractor, file of keypoints, ``auto`` or ``none``."""
    identity: str = AUTO
    """Identity extractor, file of embeddings, ``auto`` or ``none``."""
    lpips: bool = False
    fid: bool = False
    fvd: bool = False
    weights: Sequence[str] = ()
    """``NAME=PATH`` for the networks of lpips, fid and fvd."""

    def weight_paths(self) -> dict[str, Path]:
        """Return the paths of the weights by the name of the metric.

        Raises:
            typer.BadParameter: an entry is malformed, or its metric is not selected.
        """
        paths = {}
        for entry in self.weights:
            name, _, path = entry.partition("=")
            if name not in _NETWORKS or not path:
                message = f"expected lpips=PATH, fid=PATH or fvd=PATH, got {entry!r}"
                raise typer.BadParameter(message, param_hint="--weights")
            if not getattr(self, name):
                raise typer.BadParameter(f"{entry}: needs --{name}", param_hint="--weights")
            paths[name] = Path(path)
        return paths


def open_evaluation(
    selection: MetricSelection, videos: Sequence[Path], request: Request
) -> Evaluation:
    """Open the selected metrics, and print which extractors they use and which are skipped.

    Args:
        selection: the selected metrics.
        videos: the real videos, from which ``auto`` chooses extractors.
        request: device and permission to download.

    Raises:
        ConfigError: an extractor is unknown or unavailable.
        CheckpointError: weights cannot be read.
        DataError: a file of precomputed values, or a video that ``auto`` reads, is damaged.
    """
    paths = selection.weight_paths()
    cache = FrameCache(cache_folder() / "extractors", terminal.say)
    metrics: list[VideoMetric | None] = [
        FrameQuality(),
        _open_extractor_metric(
            selection.keypoints,
            "keypoints",
            lambda: choose_keypoint_extractor(videos, request),
            lambda name: open_keypoint_extractor(name, request),
            lambda extractor: keypoint_metric(extractor, cache),
        ),
        _open_extractor_metric(
            selection.identity,
            "identity",
            lambda: choose_embedding_extractor(videos, request),
            lambda name: open_embedding_extractor(name, request),
            lambda extractor: identity_metric(extractor, cache),
        ),
    ]
    set_metrics: list[SetMetric] = []
    if selection.lpips:
        from cpabmm_core.metrics.lpips import open_lpips

        metrics.append(open_lpips(paths.get("lpips"), request))
    if selection.fid:
        from cpabmm_core.metrics.fid import open_fid

        set_metrics.append(open_fid(paths.get("fid"), request))
    if selection.fvd:
        from cpabmm_core.metrics.fvd import open_fvd

        set_metrics.append(open_fvd(paths.get("fvd"), request))
    video_metrics = [metric for metric in metrics if metric is not None]
    _print_terms([metric.info for metric in video_metrics])
    return Evaluation(video_metrics, set_metrics)


def _open_extractor_metric(
    name: str,
    role: Role,
    choose: Callable[[], Choice[_E]],
    open_by_name: Callable[[str], _E],
    build: Callable[[_E], VideoMetric],
) -> VideoMetric | None:
    """Open the metric of an option: ``none``, ``auto``, a file of values, or an extractor."""
    if name == NONE:
        return None
    if Path(name).suffix.lower() in _TABLES:
        from cpabmm_core.metrics.extractors.precomputed import read_precomputed

        return PrecomputedMetric(role, read_precomputed(Path(name), role))
    if name != AUTO:
        return build(open_by_name(name))
    choice = choose()
    if choice.extractor is None:
        terminal.say(f"{_TITLES[role]}: skipped; {choice.reason}; choose one with --{role}")
        return None
    terminal.say(f"{_TITLES[role]}: by {choice.extractor.info.name}, because {choice.reason}")
    return build(choice.extractor)


def _print_terms(infos: Sequence[ExtractorInfo | None]) -> None:
    """Print the licence restrictions of each extractor's weights."""
    for name, terms in {info.name: info.terms for info in infos if info and info.terms}.items():
        terminal.say(f"{name}: {terms}")
