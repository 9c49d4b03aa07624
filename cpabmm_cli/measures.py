"""What is measured, and with which extractors, as the options of a command say.

Commands import this where they use it: the measures load much.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import typer

from cpabmm_cli.checkpoints import cache_folder
from cpabmm_cli.console import terminal
from cpabmm_core.metrics.extracted import ExtractedMetric, FrameSums, PrecomputedMetric
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    Extractor,
    ExtractorInfo,
    KeypointExtractor,
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
)
from cpabmm_core.metrics.extractors.auto import Choice, choose_identity, choose_keypoints
from cpabmm_core.metrics.extractors.cache import FrameCache
from cpabmm_core.metrics.frame_quality import FrameQuality
from cpabmm_core.metrics.identity_distance import IdentitySums
from cpabmm_core.metrics.keypoint_distance import KeypointSums
from cpabmm_core.metrics.measurement import Measurement
from cpabmm_core.metrics.video_metric import SetMetric, VideoMetric

AUTO, NONE = "auto", "none"
_E = TypeVar("_E", bound=Extractor)
_TABLES = (".npz", ".csv")
_NETWORKS = ("lpips", "fid", "fvd")


@dataclass(frozen=True)
class Wanted:
    """The options that say what is measured."""

    keypoints: str = AUTO
    identity: str = AUTO
    lpips: bool = False
    fid: bool = False
    fvd: bool = False
    weights: Sequence[str] = ()
    """``NAME=PATH`` each, of the networks of lpips, fid and fvd."""

    def weight_paths(self) -> dict[str, Path]:
        """The files of weights by name.

        Raises:
            typer.BadParameter: one is malformed, or of a network that is not asked for.
        """
        paths = {}
        for given in self.weights:
            name, _, path = given.partition("=")
            if name not in _NETWORKS or not path:
                message = f"expected lpips=PATH, fid=PATH or fvd=PATH, got {given!r}"
                raise typer.BadParameter(message, param_hint="--weights")
            if not getattr(self, name):
                raise typer.BadParameter(f"{given}: needs --{name}", param_hint="--weights")
            paths[name] = Path(path)
        return paths


def open_measurement(wanted: Wanted, videos: Sequence[Path], request: Request) -> Measurement:
    """Open all that is asked for, and say what measures and what is left out.

    Args:
        wanted: what is asked for.
        videos: the real ones, by which ``auto`` chooses.
        request: device and rules for the networks.

    Raises:
        ConfigError: an extractor is unknown, or not at hand.
        CheckpointError: weights cannot be read.
        DataError: a file of measured values, or a video that ``auto`` looks at, is damaged.
    """
    paths = wanted.weight_paths()
    cache = FrameCache(cache_folder() / "extractors", terminal.say)
    metrics: list[VideoMetric | None] = [
        FrameQuality(),
        _keypoints(wanted.keypoints, videos, request, cache),
        _identity(wanted.identity, videos, request, cache),
    ]
    of_sets: list[SetMetric] = []
    if wanted.lpips:
        from cpabmm_core.metrics.lpips import open_lpips

        metrics.append(open_lpips(paths.get("lpips"), request))
    if wanted.fid:
        from cpabmm_core.metrics.fid import open_fid

        of_sets.append(open_fid(paths.get("fid"), request))
    if wanted.fvd:
        from cpabmm_core.metrics.fvd import open_fvd

        of_sets.append(open_fvd(paths.get("fvd"), request))
    measured = [metric for metric in metrics if metric is not None]
    _tell_terms([metric.info for metric in measured])
    return Measurement(measured, of_sets)


def _keypoints(
    name: str, videos: Sequence[Path], request: Request, cache: FrameCache
) -> VideoMetric | None:
    if name == NONE:
        return None
    if _is_table(name):
        return _precomputed(name, "keypoints", KeypointSums)
    if name == AUTO:
        choice = choose_keypoints(videos, request)
        extractor: KeypointExtractor | None = _told("AKD and MKR", "keypoints", choice)
    else:
        extractor = open_keypoint_extractor(name, request)
    if extractor is None:
        return None
    find = cache.kept(extractor.info, "keypoints", extractor.keypoints)
    return ExtractedMetric("keypoints", extractor.info, find, KeypointSums)


def _identity(
    name: str, videos: Sequence[Path], request: Request, cache: FrameCache
) -> VideoMetric | None:
    if name == NONE:
        return None
    if _is_table(name):
        return _precomputed(name, "identity", IdentitySums)
    if name == AUTO:
        choice = choose_identity(videos, request)
        extractor: EmbeddingExtractor | None = _told("AED", "identity", choice)
    else:
        extractor = open_embedding_extractor(name, request)
    if extractor is None:
        return None
    find = cache.kept(extractor.info, "embeddings", extractor.embeddings)
    return ExtractedMetric("identity", extractor.info, find, IdentitySums)


def _told(measures: str, option: str, choice: Choice[_E]) -> _E | None:
    """The extractor of a choice, after a line that says which it is, or that there is none."""
    if choice.extractor is None:
        terminal.say(f"{measures}: left out; {choice.reason}; choose one with --{option}")
        return None
    terminal.say(f"{measures}: by {choice.extractor.info.name}, for {choice.reason}")
    return choice.extractor


def _tell_terms(infos: Sequence[ExtractorInfo | None]) -> None:
    """A line on what the licence of the weights of each extractor forbids, if anything."""
    for name, terms in {info.name: info.terms for info in infos if info and info.terms}.items():
        terminal.say(f"{name}: {terms}")


def _precomputed(
    file: str, kind: Literal["keypoints", "identity"], sums: Callable[[], FrameSums]
) -> VideoMetric:
    from cpabmm_core.metrics.extractors.precomputed import read_precomputed

    return PrecomputedMetric(kind, read_precomputed(Path(file), kind), sums)


def _is_table(name: str) -> bool:
    return Path(name).suffix.lower() in _TABLES
