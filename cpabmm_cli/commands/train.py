"""``cpabmm train``: a model from a data set."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpabmm_cli.checkpoints import located
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import DeviceOption, JsonOption
from cpabmm_cli.processes import is_main, is_worker, run_processes

if TYPE_CHECKING:
    from cpabmm_core.training.planning import Plan


def train(
    *,
    config: Annotated[
        str,
        typer.Option(metavar="NAME|PATH", help="A shipped configuration by name, or a YAML file."),
    ],
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The data set: a folder with train/ and test/, or one of clips."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="RUN", help="Folder for log, panels and checkpoints."),
    ],
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|PATH",
            help="Go on from this state; auto: from the last whole one in RUN, if there is one.",
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
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Take the first weights from this checkpoint, as far as they fit.",
        ),
    ] = None,
    stage: Annotated[
        Literal["main", "avd"],
        typer.Option(help="avd: the network of animate --mode avd, for the model of --init-from."),
    ] = "main",
    processes: Annotated[
        int, typer.Option(min=1, help="Processes on this machine, for instance one a GPU.")
    ] = 1,
    offline: Annotated[
        bool, typer.Option("--offline", help="Download nothing; frozen networks must be at hand.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check all, take three steps, tell what it takes and stop."),
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Train a model and print the path of its checkpoint."""
    if stage == "avd" and init_from is None:
        raise typer.BadParameter("needs a trained model: --init-from", param_hint="--stage avd")
    if stage == "avd" and dry_run:
        raise typer.BadParameter("is for the main stage", param_hint="--dry-run")
    from cpabmm_core.config import load_config

    settings = load_config(config, overrides or ())
    first = None if init_from is None else located(init_from)
    if processes > 1 and not is_worker():
        raise typer.Exit(run_processes(sys.argv[1:], processes))

    import torch  # only now: bad settings fail at once

    from cpabmm_cli.stopping import StopOnSignal
    from cpabmm_cli.training_progress import TrainingProgress
    from cpabmm_core.training.avd import train_avd
    from cpabmm_core.training.loop import train as run
    from cpabmm_core.training.planning import plan

    terminal.quiet = terminal.quiet or not is_main()
    torch.manual_seed(settings.training.seed)  # the first weights are drawn from it
    with TrainingProgress(terminal) as reporter, StopOnSignal() as stop:
        if dry_run:
            found = plan(
                settings,
                data,
                out,
                steps=steps,
                device=device,
                init_from=first,
                allow_download=not offline,
                reporter=reporter,
            )
        elif stage == "avd":
            checkpoint = train_avd(
                settings,
                first or "",
                data,
                out,
                resume=resume,
                steps=steps,
                device=device,
                stop=stop,
                reporter=reporter,
            )
        else:
            checkpoint = run(
                settings,
                data,
                out,
                resume=resume,
                steps=steps,
                device=device,
                init_from=first,
                allow_download=not offline,
                stop=stop,
                reporter=reporter,
            )
    if not is_main():
        return
    if dry_run:
        _show(found, json=json)
    else:
        terminal.result(as_json({"checkpoint": str(checkpoint)}) if json else str(checkpoint))


def _show(plan: "Plan", *, json: bool) -> None:
    figures = vars(plan)
    if json:
        terminal.result(as_json(figures))
        return
    hours = plan.steps * plan.seconds_per_step / 3600
    terminal.result(
        f"{plan.clips} clips of {plan.identities} identities, {plan.test_pairs} test pairs, "
        f"on {plan.device}"
        f"{f' x {plan.processes}' if plan.processes > 1 else ''}\n"
        f"{plan.parameters / 1e6:.1f} million parameters, {plan.memory_bytes / 1e9:.2f} GB\n"
        f"{plan.steps} steps ({plan.steps_per_epoch} an epoch) of {plan.seconds_per_step:.2f} s: "
        f"{hours:.1f} hours; data {plan.data_share:.0%}"
    )
