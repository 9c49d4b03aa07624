"""``cpabmm train``: train a model on a data set."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpabmm_cli.checkpoints import locate_checkpoint
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.launching import run_processes
from cpabmm_cli.options import JsonOption
from cpabmm_cli.processes import is_main, is_worker

if TYPE_CHECKING:
    from cpabmm_core.training import Plan


def train(
    *,
    config: Annotated[
        str,
        typer.Option(metavar="NAME|PATH", help="A shipped configuration, or a YAML file."),
    ],
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Data set: a folder with train/ and test/, or a folder of clips."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="RUN", help="Folder for logs, panels, states and checkpoints."
        ),
    ],
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|PATH",
            help="State to resume from. auto: the newest undamaged state in RUN, if any.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Total number of steps, in place of the configured epochs."),
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
            help="Initialise the weights from this checkpoint, where names and shapes match.",
        ),
    ] = None,
    stage: Annotated[
        Literal["main", "avd"],
        typer.Option(
            help="avd: train the network for animate --mode avd, for the model of --init-from."
        ),
    ] = "main",
    processes: Annotated[
        int,
        typer.Option(min=1, help="Number of processes on this machine, for example one per GPU."),
    ] = 1,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not download the weights of frozen networks.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check settings and data, time three steps, print estimates, and stop.",
        ),
    ] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        typer.Option(
            help="auto: CUDA, then MPS, then CPU. Select GPUs with CUDA_VISIBLE_DEVICES.",
        ),
    ] = "auto",
    json: JsonOption = False,
) -> None:
    """Train a model and print the path of its checkpoint."""
    if stage == "avd" and init_from is None:
        raise typer.BadParameter("requires --init-from, a trained model", param_hint="--stage avd")
    if stage == "avd" and dry_run:
        raise typer.BadParameter("applies to the main stage only", param_hint="--dry-run")
    from cpabmm_core.config import load_config

    settings = load_config(config, overrides or ())
    checkpoint = None if init_from is None else locate_checkpoint(init_from)
    if processes > 1 and not is_worker():
        raise typer.Exit(run_processes(sys.argv[1:], processes))

    import torch  # late, so that wrong settings are reported at once

    from cpabmm_cli.stopping import StopOnSignal
    from cpabmm_cli.training_progress import TrainingProgress
    from cpabmm_core import training

    terminal.quiet = terminal.quiet or not is_main()
    torch.manual_seed(settings.training.seed)  # the initial weights are sampled from it
    with TrainingProgress(terminal) as reporter, StopOnSignal() as stop:
        run = training.TrainingRun(
            settings,
            data,
            out,
            resume=resume,
            steps=steps,
            device=device,
            init_from=checkpoint,
            allow_download=not offline,
            stop=stop,
            reporter=reporter,
        )
        if dry_run:
            result = _describe(training.plan(run), json=json)
        else:
            path = training.train_avd(run) if stage == "avd" else training.train(run)
            result = as_json({"checkpoint": str(path)}) if json else str(path)
    if is_main():
        terminal.result(result)


def _describe(plan: "Plan", *, json: bool) -> str:
    if json:
        return as_json(vars(plan))
    hours = plan.steps * plan.seconds_per_step / 3600
    return (
        f"{plan.clips} clips of {plan.identities} identities, {plan.test_pairs} test pairs, "
        f"on {plan.device}"
        f"{f' x {plan.processes}' if plan.processes > 1 else ''}\n"
        f"{plan.parameters / 1e6:.1f} million parameters, {plan.memory_bytes / 1e9:.2f} GB\n"
        f"{plan.steps} steps ({plan.steps_per_epoch} per epoch) of {plan.seconds_per_step:.2f} s: "
        f"{hours:.1f} hours, {plan.data_share:.0%} of them waiting for data"
    )
