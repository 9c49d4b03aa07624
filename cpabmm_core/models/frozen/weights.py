"""Pretrained weights of the frozen networks: where they are found, and how they are read."""

import argparse
import errno
import pickle
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError, ConfigError, ResourceError

_HEAD = 64
_JSON = slice(8, 9)  # a safetensors file is a length of 8 bytes, then JSON


@dataclass(frozen=True)
class WeightFile:
    """A published file of weights."""

    what: str
    """What it is in words, e.g. ``torchvision's VGG-19``."""
    name: str
    """The file's name, also in the library's cache."""
    source: str
    """URL of the file (cached by torch), or Hugging Face repository that holds it."""
    megabytes: int
    """Size in millions of bytes."""
    key: str
    """Setting that takes the path of a local copy, e.g. ``losses.dino.weights``."""
    sha256: str
    """Beginning of its hash; empty for a repository, which states the size and hash itself."""
    licence: str | None = None

    @property
    def on_hub(self) -> bool:
        """Whether `source` is a Hugging Face repository."""
        return "://" not in self.source

    def __str__(self) -> str:
        origin = self.source
        if self.on_hub:
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
    """Path of the weights: the given file, else the library's cached one, else downloaded now.

    The library downloads into its own cache under a temporary name, so that a file which was cut
    off is never taken for a whole one; its progress bar shows where stderr is a terminal.

    Args:
        file: the weights to find.
        path: local copy, None for none.
        allow_download: False forbids it; so does the offline mode of huggingface_hub.
        announce: is told, in one line, what is downloaded, how large, from and to where.
        without: setting that does without the weights, e.g. ``losses.structure=0``; None if none.

    Raises:
        CheckpointError: the given or cached file is missing or cannot be one of weights.
        ConfigError: the weights are nowhere and are not, or cannot be, downloaded.
        ResourceError: the disk is full.
    """
    found = find_local_weights(file, path)
    if found is not None:
        return found
    cure = f"give its path as {file.key}" + (f" or set {without}" if without else "")
    if constants.HF_HUB_OFFLINE or not allow_download:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "downloads are off"
        raise ConfigError(f"{file}: not found, and {why}; {cure}")
    announce(f"downloading {file} to {_cache(file)}")
    try:
        return _download(file)
    except Exception as error:  # each library has its own family
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise ResourceError(f"{_cache(file)}: no space left for {file}; free some") from None
        reason = _reason(error.__cause__ or error)
        raise ConfigError(f"{file}: not found, and downloading failed ({reason}); {cure}") from None


def find_local_weights(file: WeightFile, path: Path | None) -> Path | None:
    """The given file, else the one in the library's cache, else None.

    Raises:
        CheckpointError: that file is missing or cannot be one of weights.
    """
    if path is None:
        path = _cached(file)
    if path is not None:
        _check(path, file.what)
    return path


def read_weights(path: Path, what: str) -> dict[str, Any]:
    """Read a safetensors or PyTorch file without executing anything of it.

    Raises:
        CheckpointError: it is neither; `what` says what it should have been.
    """
    _check(path, what)
    if _is_program(path):
        raise CheckpointError(
            f"{path}: is TorchScript, a program that would have to be executed; "
            f"give a file of tensors: {what}"
        )
    try:
        if _head(path)[_JSON] == b"{":
            return dict(load_file(path))
        # The options of a training run, which full checkpoints of DINO hold; no more than a dict.
        with torch.serialization.safe_globals([argparse.Namespace]):
            values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        more = isinstance(error, pickle.UnpicklingError)
        reason = "there is more in it than tensors" if more else _reason(error)
        raise CheckpointError(f"{path}: not {what} ({reason}); download it again") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise CheckpointError(f"{path}: not {what} (it holds no tensors by name)")
    return values


def fill(network: nn.Module, tensors: dict[str, Any], path: Path, what: str) -> None:
    """Copy the tensors, which came from `path`, into the network: all of them, and nothing else.

    Raises:
        CheckpointError: names or shapes differ; the first of them are named.
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
        more = f" and {len(trouble) - 3} more" if len(trouble) > 3 else ""
        raise CheckpointError(
            f"{path}: not {what} ({', '.join(trouble[:3])}{more}); give the file of that network"
        )
    network.load_state_dict(tensors)


def _cache(file: WeightFile) -> Path:
    return Path(constants.HF_HUB_CACHE) if file.on_hub else Path(torch.hub.get_dir(), "checkpoints")


def _cached(file: WeightFile) -> Path | None:
    if file.on_hub:
        found = huggingface_hub.try_to_load_from_cache(file.source, file.name)
        return Path(found) if isinstance(found, str) else None
    path = _cache(file) / file.name
    return path if path.is_file() else None


def _download(file: WeightFile) -> Path:
    if file.on_hub:
        return Path(huggingface_hub.hf_hub_download(file.source, file.name))
    path = _cache(file) / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(
        file.source, str(path), hash_prefix=file.sha256, progress=_on_terminal()
    )
    return path


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _check(path: Path, what: str) -> None:
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; give the file in it that holds {what}")
    try:
        head = _head(path)
    except (FileNotFoundError, ValueError):  # the latter where no path can be like that
        raise CheckpointError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be opened ({error.strerror})") from None
    if head[_JSON] == b"{" or head.startswith((b"PK", b"\x80")):
        return
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path}: is a Git LFS pointer, not the file itself; run `git lfs pull`"
        )
    kind = "is neither a safetensors nor a PyTorch file"
    if not head:
        kind = "is empty"
    elif head.lstrip().startswith(b"<"):
        kind = "is a web page"
    raise CheckpointError(f"{path}: {kind}; put {what} in its place or give another")


def _is_program(path: Path) -> bool:
    """Whether it is an archive of TorchScript, which holds source code beside the tensors."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _head(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(_HEAD)


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
