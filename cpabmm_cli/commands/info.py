"""``cpabmm info``: show the contents of a checkpoint."""

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from cpabmm_cli.checkpoints import prepare_checkpoint
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import JsonOption, Mode
from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cpabmm_core.config import ModelConfig


def info(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="Name of a bundled model or published checkpoint, or path of a checkpoint file.",
        ),
    ] = DEFAULT_CHECKPOINT,
    *,
    json: JsonOption = False,
) -> None:
    """Show the kind, networks, widths, configuration and origin of a checkpoint."""
    from cpabmm_core.checkpoint.convert import open_checkpoint
    from cpabmm_core.checkpoint.load import find_checkpoint
    from cpabmm_core.models.build import keypoint_count

    path = find_checkpoint(prepare_checkpoint(checkpoint))
    loaded = open_checkpoint(path)
    model, config = loaded.model, loaded.config
    parts = {
        name: sum(tensor.numel() for tensor in part.parameters())
        for name, part in model.named_children()
    }
    document = {
        "checkpoint": str(path),
        "bytes": path.stat().st_size,
        "kind": loaded.kind,
        "motion": model.motion_kind,
        "frame_size": model.frame_size,
        "modes": [mode for mode in get_args(Mode) if mode != "avd" or model.avd is not None],
        "keypoints": keypoint_count(config.model),
        "widths": _widths(config.model),
        "parameters": {**parts, "total": sum(parts.values())},
        "config": config.model_dump(mode="json"),
        "record": loaded.record,
    }
    if json:
        terminal.result(as_json(document))
    else:
        _show(document)


def _widths(model: "ModelConfig") -> dict[str, dict[str, int]]:
    """Return the widths of the networks whose widths are configurable."""
    sections: dict[str, BaseModel] = {
        "dense_motion": model.dense_motion,
        "generator": model.inpainting,
    }
    if model.motion == "affine":
        sections = {"keypoint_detector": model.affine, **sections}
    sizes = ("block_expansion", "max_features", "blocks", "down_blocks", "bottleneck_blocks")
    return {
        part: {key: value for key, value in section.model_dump().items() if key in sizes}
        for part, section in sections.items()
    }


def _show(values: dict[str, Any], indent: str = "") -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            terminal.result(f"{indent}{name}:")
            _show(value, indent + "  ")
        else:
            terminal.result(f"{indent}{name}: {value}")
