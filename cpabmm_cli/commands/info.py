"""``cpabmm info``: what a checkpoint holds."""

from typing import Annotated, Any, get_args

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import JsonOption, Mode
from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT


def info(
    checkpoint: Annotated[
        str,
        typer.Argument(metavar="NAME|PATH", help="A bundled model or a checkpoint file."),
    ] = DEFAULT_CHECKPOINT,
    *,
    json: JsonOption = False,
) -> None:
    """Show what a checkpoint holds: its parts, its configuration and how it was trained."""
    from cpabmm_core.checkpoint.bundled import find_checkpoint
    from cpabmm_core.checkpoint.format import load_checkpoint
    from cpabmm_core.models.build import keypoint_count

    path = find_checkpoint(checkpoint)
    model, config, record = load_checkpoint(path)
    parts = {
        name: sum(tensor.numel() for tensor in part.parameters())
        for name, part in model.named_children()
    }
    document = {
        "checkpoint": str(path),
        "bytes": path.stat().st_size,
        "kind": model.motion_kind,
        "frame_size": model.frame_size,
        "modes": [mode for mode in get_args(Mode) if mode != "avd" or model.avd is not None],
        "keypoints": keypoint_count(config.model),
        "parameters": {**parts, "total": sum(parts.values())},
        "config": config.model_dump(mode="json"),
        "record": record,
    }
    if json:
        terminal.result(as_json(document))
    else:
        _show(document)


def _show(values: dict[str, Any], indent: str = "") -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            terminal.result(f"{indent}{name}:")
            _show(value, indent + "  ")
        else:
            terminal.result(f"{indent}{name}: {value}")
