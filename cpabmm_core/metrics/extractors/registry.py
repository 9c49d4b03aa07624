"""Extractors by name, found through the entry points of the installed packages."""

import difflib
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from cpabmm_core.errors import ConfigError
from cpabmm_core.metrics.extractors.interface import (
    EmbeddingExtractor,
    Extractor,
    KeypointExtractor,
    Request,
    SubjectDetector,
)

GROUP = "cpabmm.extractors"
"""Entry points of this group name a function that takes a `Request` and gives an `Extractor`."""
ONNX = "onnx"
_ONNX_SUFFIX = ".onnx"
_CODE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".jit", ".torchscript", ".ckpt", ".tar")


def extractor_names() -> list[str]:
    """Names of all extractors that the installed packages offer."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def open_keypoint_extractor(name: str, request: Request | None = None) -> KeypointExtractor:
    """Open an extractor that finds keypoints.

    Args:
        name: a name of `extractor_names` with or without options: ``NAME?KEY=VALUE&KEY=VALUE``.
        request: device and rules; options of the name are added to its own.

    Raises:
        ConfigError: the name or an option is unknown, a package is missing, or weights are not at
            hand.
        CheckpointError: weights cannot be read.
    """
    extractor = _open(name, request or Request())
    if not isinstance(extractor, KeypointExtractor):
        raise ConfigError(f"{name}: finds no keypoints; it is an extractor of identities")
    return extractor


def open_embedding_extractor(name: str, request: Request | None = None) -> EmbeddingExtractor:
    """Open an extractor that describes identities; otherwise like `open_keypoint_extractor`.

    ``MODEL.onnx`` is such a name too: a network in a file.
    """
    extractor = _open(name, request or Request())
    if not isinstance(extractor, EmbeddingExtractor):
        raise ConfigError(f"{name}: describes no identity; it is an extractor of keypoints")
    return extractor


def open_subject_detector(name: str, request: Request | None = None) -> SubjectDetector:
    """Open an extractor that finds all subjects; otherwise like `open_keypoint_extractor`."""
    extractor = _open(name, request or Request())
    if not isinstance(extractor, SubjectDetector):
        raise ConfigError(f"{name}: finds no subjects in a frame")
    return extractor


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """A name and its options.

    Raises:
        ConfigError: the options are not of the form ``KEY=VALUE&KEY=VALUE``, or one comes twice.

    Example:
        >>> split_options("faces?weights=2dfan4.pt")
        ('faces', {'weights': '2dfan4.pt'})
    """
    plain, _, query = name.partition("?")
    options: dict[str, str] = {}
    for part in query.split("&") if query else []:
        key, equals, value = part.partition("=")  # as it stands: paths may hold + and %
        if not key or not equals or key in options:
            raise ConfigError(f"{name}: expected options as NAME?KEY=VALUE&KEY=VALUE, each once")
        options[key] = value
    return plain, options


def _open(name: str, request: Request) -> Extractor:
    plain, options = split_options(name)
    if plain.lower().endswith(_CODE_SUFFIXES):
        raise ConfigError(
            f"{plain}: TorchScript files and pickles execute code when they are loaded, so none is "
            "taken; export the network with torch.onnx.export and give MODEL.onnx"
        )
    if plain.lower().endswith(_ONNX_SUFFIX):
        plain, options = ONNX, {"file": plain, **options}
    points = {point.name: point for point in entry_points(group=GROUP)}
    if plain not in points:
        near = difflib.get_close_matches(plain, points, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(sorted(points))}"
        raise ConfigError(f"{name}: no extractor of that name; {hint}")
    opener = _load(points[plain])
    return opener(replace(request, options={**request.options, **options}))


def _load(point: EntryPoint) -> Callable[[Request], Extractor]:
    try:
        return cast("Callable[[Request], Extractor]", point.load())
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{point.name}: {point.value} cannot be loaded ({error})") from None
