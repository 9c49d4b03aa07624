"""Weights of an extractor's network."""

from pathlib import Path

from cpabmm_core.metrics.extractors.interface import Request
from cpabmm_core.models.frozen.weights import WeightFile, find_weights


def weights_for(request: Request, file: WeightFile) -> Path:
    """The file that the option ``weights`` names, else the cached one, else downloaded now.

    Raises:
        CheckpointError: the given or cached file is missing or cannot be one of weights.
        ConfigError: the weights are nowhere and are not, or cannot be, downloaded.
        ResourceError: the disk is full.
    """
    given = request.options.get("weights")
    return find_weights(
        file,
        None if given is None else Path(given),
        allow_download=request.allow_download,
        announce=request.announce,
    )
