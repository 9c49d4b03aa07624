"""Locate, download and read the pretrained weights of the frozen networks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub import constants
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError, ConfigError, DownloadError
from cpabmm_core.files.download import download_file, download_from_hub
from cpabmm_core.files.printable import printable
from cpabmm_core.files.published import PublishedFile
from cpabmm_core.files.tensors import read_tensor_file, tensor_format

_NAMED_IN_ERRORS = 3
_CHARACTERS = 120
"""Most characters of one difference in a message."""


@dataclass(frozen=True, kw_only=True)
class WeightFile(PublishedFile):
    """A published file of weights; the library's cache stores it under the same `name`."""

    what: str
    """Description of the weights for messages, for example ``torchvision's VGG-19``."""
    key: str
    """Setting that takes the path of a local copy, for example ``losses.dino.weights``."""

    def __str__(self) -> str:
        origin = self.source
        if self.is_on_hub:
            origin = f"{constants.ENDPOINT}/{self.source}/resolve/main/{self.name}"
        licence = f", {self.licence}" if self.licence else ""
        return f"{self.name} ({self.what}, {self.megabytes} MB{licence}, {origin})"


def find_weights(
    file: WeightFile,
    path: Path | None,
    *,
    allow_download: bool,
    announce: Callable[[str], None],
    without: str | None = None,
) -> Path:
    """Return the path of the weights: the given file, the cached one, or a new download.

    Downloads go to the cache of the library that publishes the file (torch or huggingface_hub),
    under a temporary name, so that an interrupted download is never taken for a complete file. The
    display of `show_downloads` shows their progress.

    Args:
        file: the weights to find.
        path: a local copy; None if there is none.
        allow_download: whether to download missing weights. The offline mode of huggingface_hub
            forbids it as well.
        announce: receives one line before a download: file, size, source and destination.
        without: setting that avoids the need for the weights, for example ``losses.structure=0``;
            None if there is none.

    Raises:
        CheckpointError: the given or cached file is missing or does not contain weights.
        ConfigError: the weights are missing, and downloading is forbidden or failed.
        ResourceError: the disk is full.
    """
    found = find_local_weights(file, path)
    if found is not None:
        return found
    cure = f"give its path as {file.key}" + (f" or set {without}" if without else "")
    if constants.HF_HUB_OFFLINE or not allow_download:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "downloads are off"
        raise ConfigError(f"{file}: not found, and {why}; {cure}")
    announce(f"downloading {file} to {_cache_folder(file)}")
    try:
        if file.is_on_hub:
            return download_from_hub(file)
        return download_file(file, _cache_folder(file))
    except DownloadError as error:
        raise ConfigError(f"{file}: not found, and downloading failed ({error}); {cure}") from None


def find_local_weights(file: WeightFile, path: Path | None) -> Path | None:
    """Return the given file, else the one in the cache of the library, else None.

    Raises:
        CheckpointError: that file is missing or does not contain weights.
    """
    if path is None:
        path = _cached(file)
    if path is not None:
        tensor_format(path, f"the file of {file.what}")
    return path


def read_weights(path: Path, what: str) -> dict[str, Any]:
    """Read the tensors of a safetensors or PyTorch file without executing anything in it.

    Args:
        path: the file.
        what: description of the weights, for messages.

    Returns:
        Tensors by name. A PyTorch file may hold other values as well.

    Raises:
        CheckpointError: the file is missing, damaged, of another format, or holds no tensors.
    """
    values = read_tensor_file(path, f"the file of {what}")
    if not values or not all(isinstance(name, str) for name in values):
        raise CheckpointError(
            f"{path}: not {what} (it holds no tensors by name); download it again"
        )
    return values


def fill(network: nn.Module, tensors: dict[str, Any], path: Path, what: str) -> None:
    """Copy tensors into a network; their names and shapes must agree exactly.

    Args:
        network: the network to fill.
        tensors: tensors by their names in the network.
        path: the file that they come from, for the messages.
        what: description of the weights, for messages.

    Raises:
        CheckpointError: names or shapes differ; the message names the first differences.
    """
    wanted = network.state_dict()
    trouble = [f"no {name}" for name in wanted if name not in tensors]
    trouble += [f"unknown {name}" for name in tensors if name not in wanted]
    for name, expected in wanted.items():
        got = tensors.get(name, expected)
        if not isinstance(got, Tensor) or got.shape != expected.shape:
            shape = list(got.shape) if isinstance(got, Tensor) else type(got).__name__
            trouble.append(f"{name} is {shape}, not {list(expected.shape)}")
    if trouble:
        named = ", ".join(printable(each, _CHARACTERS) for each in trouble[:_NAMED_IN_ERRORS])
        others = len(trouble) - _NAMED_IN_ERRORS
        more = f" and {others} more" if others > 0 else ""
        raise CheckpointError(f"{path}: not {what} ({named}{more}); give the file of that network")
    network.load_state_dict(tensors)


def _cache_folder(file: WeightFile) -> Path:
    if file.is_on_hub:
        return Path(constants.HF_HUB_CACHE)
    return Path(torch.hub.get_dir(), "checkpoints")


def _cached(file: WeightFile) -> Path | None:
    if file.is_on_hub:
        assert file.source is not None
        found = huggingface_hub.try_to_load_from_cache(file.source, file.name)
        return Path(found) if isinstance(found, str) else None
    path = _cache_folder(file) / file.name
    return path if path.is_file() else None
