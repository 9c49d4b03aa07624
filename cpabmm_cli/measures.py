"""What is measured, and with which extractors, as the options of a command say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cpabmm_cli.checkpoints import cache_folder
from cpabmm_cli.console import terminal
from cpabmm_core.errors import ConfigError

if TYPE_CHECKING:
    from cpabmm_core.metrics.extractors import ExtractorInfo, Request
    from cpabmm_core.metrics.extractors.cache import FrameCache
    from cpabmm_core.metrics.measurement import Measurement
    from cpabmm_core.metrics.video_metric import SetMetric, VideoMetric

AUTO, NONE = "auto", "none"
_TABLES = (".npz", ".csv")


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
            name, separator, path = given.partition("=")
            if name not in ("lpips", "fid", "fvd") or not separator or not path:
                message = f"expected lpips=PATH, fid=PATH or fvd=PATH, got {given!r}"
                raise typer.BadParameter(message, param_hint="--weights")
            if not getattr(self, name):
                raise typer.BadParameter(f"{given}: needs --{name}", param_hint="--weights")
            paths[name] = Path(path)
        return paths


def open_measurement(wanted: Wanted, videos: Sequence[Path], request: "Request") -> "Measurement":
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
    from cpabmm_core.metrics.extractors.cache import FrameCache
    from cpabmm_core.metrics.frame_quality import FrameQuality
    from cpabmm_core.metrics.measurement import Measurement

    cache = FrameCache(cache_folder() / "extractors", terminal.say)
    paths = wanted.weight_paths()
    found = [
        FrameQuality(),
        _keypoints(wanted.keypoints, videos, request, cache),
        _identity(wanted.identity, videos, request, cache),
        _lpips(paths.get("lpips"), request) if wanted.lpips else None,
    ]
    return Measurement(
        [metric for metric in found if metric is not None], _of_sets(wanted, paths, request)
    )


def _keypoints(
    name: str, videos: Sequence[Path], request: "Request", cache: "FrameCache"
) -> "VideoMetric | None":
    from cpabmm_core.metrics.extracted import ExtractedMetric, PrecomputedMetric
    from cpabmm_core.metrics.extractors import open_keypoint_extractor
    from cpabmm_core.metrics.extractors.auto import choose_keypoints
    from cpabmm_core.metrics.keypoint_distance import KeypointSums

    if name == NONE:
        return None
    if _is_table(name):
        from cpabmm_core.metrics.extractors.precomputed import read_precomputed

        table = read_precomputed(Path(name), "keypoints")
        return PrecomputedMetric("keypoints", table, KeypointSums)
    if name == AUTO:
        choice = choose_keypoints(videos, request)
        if choice.extractor is None:
            terminal.say(f"AKD and MKR are left out: {choice.reason}; or give --keypoints")
            return None
        extractor, reason = choice.extractor, f", for {choice.reason}"
    else:
        extractor, reason = open_keypoint_extractor(name, request), ""
    _tell("keypoints", extractor.info, reason)
    find = cache.kept(extractor.info, "keypoints", extractor.keypoints)
    return ExtractedMetric("keypoints", extractor.info, find, KeypointSums)


def _identity(
    name: str, videos: Sequence[Path], request: "Request", cache: "FrameCache"
) -> "VideoMetric | None":
    from cpabmm_core.metrics.extracted import ExtractedMetric, PrecomputedMetric
    from cpabmm_core.metrics.extractors import open_embedding_extractor
    from cpabmm_core.metrics.extractors.auto import choose_identity
    from cpabmm_core.metrics.identity_distance import IdentitySums

    if name == NONE:
        return None
    if _is_table(name):
        from cpabmm_core.metrics.extractors.precomputed import read_precomputed

        table = read_precomputed(Path(name), "identity")
        return PrecomputedMetric("identity", table, IdentitySums)
    if name == AUTO:
        choice = choose_identity(videos, request)
        if choice.extractor is None:
            terminal.say(f"AED is left out: {choice.reason}; or give --identity")
            return None
        extractor, reason = choice.extractor, f", for {choice.reason}"
    else:
        extractor, reason = open_embedding_extractor(name, request), ""
    _tell("identity", extractor.info, reason)
    find = cache.kept(extractor.info, "embeddings", extractor.embeddings)
    return ExtractedMetric("identity", extractor.info, find, IdentitySums)


def _lpips(path: Path | None, request: "Request") -> "VideoMetric":
    from cpabmm_core.metrics.lpips import open_lpips

    return open_lpips(path, request)


def _of_sets(wanted: Wanted, paths: dict[str, Path], request: "Request") -> list["SetMetric"]:
    metrics: list[SetMetric] = []
    if wanted.fid:
        from cpabmm_core.metrics.fid import open_fid

        metrics.append(open_fid(paths.get("fid"), request))
    if wanted.fvd:
        from cpabmm_core.metrics.fvd import open_fvd

        metrics.append(open_fvd(paths.get("fvd"), request))
    return metrics


def _is_table(name: str) -> bool:
    return Path(name).suffix.lower() in _TABLES


def _tell(part: str, info: "ExtractorInfo", reason: str) -> None:
    terms = f" ({info.terms})" if info.terms else ""
    terminal.say(f"{part}: {info.name}{reason}{terms}")
