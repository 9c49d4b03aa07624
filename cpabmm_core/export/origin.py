"""Where the weights of an exported model come from, and under which licence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cpabmm_core.checkpoint.catalogue import recognise_public_checkpoint
from cpabmm_core.checkpoint.convert import is_cpabmm_checkpoint
from cpabmm_core.checkpoint.header import read_header
from cpabmm_core.checkpoint.load import find_checkpoint
from cpabmm_core.checkpoint.names import BUNDLED
from cpabmm_core.files.digest import file_sha256

_UNSTATED = "not stated; that of the checkpoint's authors"


def describe_origin(checkpoint: str | Path | None) -> dict[str, Any]:
    """Return what the manifest states about the origin of the weights.

    Args:
        checkpoint: name of a bundled model, path of a checkpoint, or None if it is unknown.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    if checkpoint is None:
        return {"checkpoint": None, "licence": _UNSTATED}
    path = find_checkpoint(checkpoint)
    digest = file_sha256(path)
    described: dict[str, Any] = {"file": path.name, "sha256": digest}
    original = _original(path)
    if original:
        described["converted_from"] = original
    return {"checkpoint": described, "licence": _licence(original or described)}


def _original(path: Path) -> dict[str, str]:
    """Return what a converted checkpoint states about the published file."""
    record = read_header(path).record if is_cpabmm_checkpoint(path) else {}
    origin = record.get("converted_from")
    if not isinstance(origin, dict):
        return {}
    return {key: str(origin[key]) for key in ("kind", "file", "sha256") if key in origin}


def _licence(file: Mapping[str, str]) -> str:
    if any(file_sha256(find_checkpoint(name)) == file.get("sha256") for name in BUNDLED):
        return "Apache-2.0, like cpabmm"
    name, digest, kind = (file.get(key, "") for key in ("file", "sha256", "kind"))
    public = recognise_public_checkpoint(name, digest, kind)
    return _UNSTATED if public is None else f"{public.licence} ({public.page})"
