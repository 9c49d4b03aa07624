"""``cpabmm convert``: convert a published checkpoint to the format of cpabmm."""

from pathlib import Path
from typing import Annotated

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import ForceOption, JsonOption


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="Checkpoint to convert: of TPSMM, the paper's code, FOMM, MRAA or cpabmm.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="File to write: .safetensors.")
    ],
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Side in pixels of the frames that the model was trained on. The file does not "
            "state it.",
            show_default="from the list of published checkpoints, else 256",
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Configuration of a cpabmm model whose file has lost it: a shipped one, or "
            "RUN/config.yaml.",
        ),
    ] = None,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Convert a published checkpoint to a safetensors file that every command accepts.

    The tensors determine the layout and the widths of the networks. No code in the file is
    executed.
    """
    from cpabmm_core.files.output import check_output

    if output.suffix != ".safetensors":
        raise typer.BadParameter("expected a name that ends in .safetensors", param_hint="--output")
    check_output(output, force=force, inputs=[source])

    from cpabmm_core.config import load_config

    settings = None if config is None else load_config(config)

    from cpabmm_core.checkpoint.convert import convert_checkpoint  # torch only now

    conversion = convert_checkpoint(source, frame_size=size, config=settings)
    conversion.save(output)
    terminal.say(f"{source}: {conversion}")
    if not conversion.size_is_known:
        terminal.say("set another frame size with --size")
    if not json:
        terminal.result(str(output))
        return
    document = {
        "output": str(output),
        "motion": conversion.config.model.motion,
        "frame_size": conversion.config.data.frame_size,
        "frame_size_known": conversion.size_is_known,
        "parts": list(dict.fromkeys(name.split(".")[0] for name in conversion.tensors)),
        "left_out": conversion.left_out,
        **conversion.record,
    }
    terminal.result(as_json(document))
