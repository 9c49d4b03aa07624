"""``cpabmm train``: a model from a data set."""

from pathlib import Path
from typing import Annotated

import typer

from cpabmm_cli.console import terminal
from cpabmm_cli.options import DeviceOption


def train(
    *,
    config: Annotated[
        str,
        typer.Option(metavar="NAME|PATH", help="A shipped configuration by name, or a YAML file."),
    ],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="The data set: a folder with train/ and test/.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="RUN", help="Folder for log, panels and checkpoints."),
    ],
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|PATH",
            help="Go on from this state; auto: from the last one in RUN, if there is one.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many steps in all, not after the epochs."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting, e.g. training.batch_size=4."
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Train a model and print the path of its checkpoint."""
    from cpabmm_cli.training_progress import TrainingProgress
    from cpabmm_core.config import load_config

    settings = load_config(config, overrides or ())

    import torch  # only now: bad settings fail at once

    from cpabmm_core.training.loop import train as run

    torch.manual_seed(settings.training.seed)  # the first weights are drawn from it
    with TrainingProgress(terminal) as reporter:
        checkpoint = run(
            settings, data, out, resume=resume, steps=steps, device=device, reporter=reporter
        )
    terminal.result(str(checkpoint))
