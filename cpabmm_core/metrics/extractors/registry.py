"""Extractors by name, from the entry points of installed packages."""

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
"""Group of entry points that name a function from `Request` to `Extractor`."""
ONNX = "onnx"
_ONNX_SUFFIX = ".onnx"
_CODE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".jit", ".torchscript", ".ckpt", ".tar")


def extractor_names() -> list[str]:
    """Return the names of all extractors that installed packages provide.

    Returns:
        Names in alphabetical order.

    Example:
        >>> "puppets" in extractor_names()
        True
    """
    return sorted({point.name for point in entry_points(group=GROUP)})


def open_keypoint_extractor(name: str, request: Request | None = None) -> KeypointExtractor:
    """Open an extractor of keypoints.

    Args:
        name: a name of `extractor_names`, with or without options: ``NAME?KEY=VALUE&KEY=VALUE``.
        request: device, permission to download, and receiver of status messages. Options in the
            name are added to its options.

    Returns:
        The extractor.

    Raises:
        ConfigError: the name or an option is unknown, a package is missing, the extractor finds no
            keypoints, or weights are missing and not downloaded.
        CheckpointError: weights cannot be read.
        ResourceError: the device is unavailable, or the disk is full.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.metrics.extractors import Request, open_keypoint_extractor
        >>> extractor = open_keypoint_extractor("puppets", Request(device="cpu"))
        >>> extractor.keypoints(np.zeros((1, 96, 96, 3), np.uint8)).shape
        (1, 37, 2)
    """
    extractor = _open(name, request or Request())
    if not isinstance(extractor, KeypointExtractor):
        raise ConfigError(f"{name}: is not an extractor of keypoints; choose another one")
    return extractor


def open_embedding_extractor(name: str, request: Request | None = None) -> EmbeddingExtractor:
    """Open an extractor of identity embeddings.

    Args:
        name: as for `open_keypoint_extractor`, or ``MODEL.onnx``, the path of a network.
        request: as for `open_keypoint_extractor`.

    Returns:
        The extractor.

    Raises:
        ConfigError: as for `open_keypoint_extractor`.
        CheckpointError: weights cannot be read.
        ResourceError: the device is unavailable, or the disk is full.

    Example:
        >>> import numpy as np
        >>> from cpabmm_core.metrics.extractors import Request, open_embedding_extractor
        >>> extractor = open_embedding_extractor("puppets", Request(device="cpu"))
        >>> extractor.embeddings(np.zeros((1, 96, 96, 3), np.uint8)).shape
        (1, 48)
    """
    extractor = _open(name, request or Request())
    if not isinstance(extractor, EmbeddingExtractor):
        raise ConfigError(f"{name}: is not an extractor of identities; choose another one")
    return extractor


def open_subject_detector(name: str, request: Request | None = None) -> SubjectDetector:
    """Open an extractor that finds all subjects of a frame.

    Args:
        name: as for `open_keypoint_extractor`.
        request: as for `open_keypoint_extractor`.

    Returns:
        The extractor.

    Raises:
        ConfigError: as for `open_keypoint_extractor`.
        CheckpointError: weights cannot be read.
        ResourceError: the device is unavailable, or the disk is full.

    Example:
        >>> from cpabmm_core.errors import ConfigError
        >>> from cpabmm_core.metrics.extractors import open_subject_detector
        >>> try:
        ...     open_subject_detector("puppets")
        ... except ConfigError as error:
        ...     print(error)
        puppets: does not detect subjects; choose another one
    """
    extractor = _open(name, request or Request())
    if not isinstance(extractor, SubjectDetector):
        raise ConfigError(f"{name}: does not detect subjects; choose another one")
    return extractor


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """Split ``NAME?KEY=VALUE&KEY=VALUE`` into the name and its options.

    Raises:
        ConfigError: the options are malformed, or an option is repeated.

    Example:
        >>> split_options("faces?weights=2dfan4.pt")
        ('faces', {'weights': '2dfan4.pt'})
    """
    plain, _, query = name.partition("?")
    options: dict[str, str] = {}
    for part in query.split("&") if query else []:
        key, equals, value = part.partition("=")  # not URL-decoded: paths may contain + and %
        if not key or not equals or key in options:
            raise ConfigError(f"{name}: expected options as NAME?KEY=VALUE&KEY=VALUE, each once")
        options[key] = value
    return plain, options


def _open(name: str, request: Request) -> Extractor:
    plain, options = split_options(name)
    if plain.lower().endswith(_CODE_SUFFIXES):
        raise ConfigError(
            f"{plain}: TorchScript files and pickles execute code when loaded and are refused; "
            "export the network with torch.onnx.export and give MODEL.onnx"
        )
    if plain.lower().endswith(_ONNX_SUFFIX):
        plain, options = ONNX, {"file": plain, **options}
    points = {point.name: point for point in entry_points(group=GROUP)}
    if plain not in points:
        near = difflib.get_close_matches(plain, points, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(sorted(points))}"
        raise ConfigError(f"{name}: unknown extractor; {hint}")
    opener = _load(points[plain])
    return opener(replace(request, options={**request.options, **options}))


def _load(point: EntryPoint) -> Callable[[Request], Extractor]:
    try:
        return cast("Callable[[Request], Extractor]", point.load())
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{point.name}: {point.value} cannot be loaded ({error})") from None
