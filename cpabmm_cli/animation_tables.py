"""A table of animations for ``cpabmm animate --batch``, in one process or in several."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cpabmm_cli.animation_runs import callbacks, document_of, load, section_of
from cpabmm_cli.checkpoints import announce_model, locate_checkpoint
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.failures import RUN_FAILED, explain
from cpabmm_cli.process_groups import join_group
from cpabmm_cli.processes import is_main

if TYPE_CHECKING:
    from cpabmm_core.inference.batch import JobResult
    from cpabmm_core.inference.callbacks import AnimationCallbacks
    from cpabmm_core.inference.jobs import AnimationJob, JobOptions
    from cpabmm_core.models.animation_model import AnimationModel


def run_table(
    table: Path,
    folder: str,
    values: Mapping[str, Any],
    *,
    skip: bool,
    json: bool,
    force: bool,
) -> None:
    """Animate the rows of a table, and print a path or a document for each as it ends.

    Raises:
        CpabmmError: the table is wrong.
        typer.Exit: at least one row failed.
    """
    from cpabmm_core.inference.job_checks import check_outputs
    from cpabmm_core.inference.jobs import JobOptions, read_jobs
    from cpabmm_core.inference.settings import AnimationSettings

    for kind in (AnimationSettings, JobOptions):
        section_of(kind, values)  # a wrong option is wrong usage, not a wrong row
    names = (*AnimationSettings.model_fields, *JobOptions.model_fields)
    jobs = read_jobs(table, folder, {name: values[name] for name in names})
    check_outputs(table, jobs, may_exist=True)
    for checkpoint in {job.options.checkpoint for job in jobs}:
        locate_checkpoint(checkpoint)
    with join_group(values["device"]) as (group, device):
        own = list(group.split(jobs))
        check_outputs(table, own, may_exist=force or skip)

        from cpabmm_core.inference.batch import run_jobs  # imports torch, after all checks

        group.gather([True])  # no process starts before all have found their rows in order
        run = _TableRun(table, len(jobs), {values["device"]: device}, json=json)
        for result in run_jobs(
            own,
            run.load,
            force=force,
            skip_existing=skip,
            start=run.start,
        ):
            run.show(result)
        failed = sum(group.gather([run.failed]))
        if failed and is_main():  # once, and before a launcher ends all for the exit code of one
            terminal.error(f"{table}: {failed} of {len(jobs)} rows failed")
    if failed:
        raise typer.Exit(RUN_FAILED)


class _TableRun:
    """The rows of this process: their models, their progress and what is printed about them."""

    def __init__(self, table: Path, rows: int, devices: Mapping[str, str], *, json: bool) -> None:
        self.failed = 0
        self._table, self._rows, self._devices, self._json = table, rows, devices, json
        self._ended = 0

    def load(self, options: "JobOptions") -> "AnimationModel":
        """Load the model of a row, and show what runs."""
        model = load(options, self._devices.get(options.device, options.device))
        announce_model(options.checkpoint, model, options.precision)
        return model

    def start(self, job: "AnimationJob") -> "AnimationCallbacks":
        """Return what shows a row on the terminal; only one process has bars."""
        label = f"row {self._ended + 1} of {self._rows}, {Path(job.output).name}: "
        return callbacks(label, shows_progress=is_main())

    def show(self, result: "JobResult") -> None:
        """Print what became of a row."""
        self._ended += 1
        error = None if result.error is None else self._explain(result)
        if self._json:
            terminal.result(as_json(_document(result, error)))
        elif error is None:
            terminal.result(result.job.output)

    def _explain(self, result: "JobResult") -> str:
        assert result.error is not None
        self.failed += 1
        if terminal.debug:
            terminal.traceback(result.error)
        _, message = explain(result.error)
        terminal.error(f"{self._table}: line {result.job.line}: {message}")
        return message


def _document(result: "JobResult", error: str | None) -> dict[str, Any]:
    """Return the document of a row; its keys do not depend on what became of it."""
    job, report = result.job, result.report
    return {
        "line": job.line,
        "source": job.source,
        "driving": job.driving,
        "output": job.output,
        "status": result.status,
        "error": error,
        **document_of(report),
        "seconds": round(result.seconds, 3),
        "checkpoint": job.options.checkpoint,
    }
