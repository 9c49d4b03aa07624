"""Weight files that the options of an extractor name."""

from pathlib import Path

from cpabmm_core.metrics.extractors.interface import Request
from cpabmm_core.models.frozen.weights import WeightFile, find_weights


def find_option_weights(
    request: Request, file: WeightFile, option: str = "weights", *, without: str | None = None
) -> Path:
    """Return the file that an option names, else the cached one, else download it.

    Args:
        request: options, permission to download, and receiver of status messages.
        file: the published file.
        option: name of the option that holds a path.
        without: alternative that needs no weights, for the error message.

    Raises:
        CheckpointError: the file is missing or is not a weights file.
        ConfigError: the weights are missing and not downloaded.
        ResourceError: the disk is full.
    """
    path = request.options.get(option)
    return find_weights(
        file,
        None if path is None else Path(path),
        allow_download=request.allow_download,
        announce=request.announce,
        without=without,
    )
