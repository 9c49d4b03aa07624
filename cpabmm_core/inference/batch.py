"""Animation of many pairs: one model at a time, and a failure does not stop the others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Literal

from cpabmm_core.errors import MediaError
from cpabmm_core.inference.animation import AnimationReport, render_animation
from cpabmm_core.inference.callbacks import AnimationCallbacks
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.jobs import AnimationJob, JobOptions
from cpabmm_core.inference.open_animation import open_animation
from cpabmm_core.models.animation_model import AnimationModel

LoadModel = Callable[[JobOptions], AnimationModel]
"""Called with the options of a job whose model is not that of the job before."""
StartJob = Callable[[AnimationJob], AnimationCallbacks]
"""Called with each job that is about to be rendered; returns whom the job tells about itself."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job.

    Example:
        >>> from cpabmm_core.inference import AnimationJob, AnimationSettings
        >>> from cpabmm_core.inference.jobs import JobOptions
        >>> job = AnimationJob(2, "a.png", "b.mp4", "o.mp4", AnimationSettings(), JobOptions())
        >>> JobResult(job, "skipped", 0.0).status
        'skipped'
    """

    job: AnimationJob
    """The job."""
    status: Literal["done", "skipped", "failed"]
    """Whether its output has been written, existed already, or could not be made."""
    seconds: float
    """Time that it took, without that for loading the model."""
    report: AnimationReport | None = None
    """The report of a job that is done."""
    error: Exception | None = None
    """Why a job failed."""


def run_jobs(
    jobs: Sequence[AnimationJob],
    load: LoadModel,
    *,
    force: bool = False,
    skip_existing: bool = False,
    start: StartJob = lambda _: AnimationCallbacks(),
) -> Iterator[JobResult]:
    r"""Animate all pairs, one after the other.

    Jobs with the same model follow each other, so that each model is loaded once and only one is in
    memory. It is loaded when it is first needed. Folders of outputs are created.

    Args:
        jobs: the pairs, for example from `read_jobs`.
        load: loads a model, for example with `load_model`.
        force: whether existing outputs are replaced.
        skip_existing: whether jobs are left out whose output exists. An output exists only if it is
            complete, so this continues an interrupted run.
        start: called with each job that is about to be rendered; returns its callbacks.

    Yields:
        One result per job, as soon as it ends. Any exception of a job but `KeyboardInterrupt` and
        the like makes it a failed one.

    Example:
        >>> import tempfile
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.inference import read_jobs
        >>> from cpabmm_core.puppets import write_puppets
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data = Path(folder, "data")
        ...     _ = write_puppets(
        ...         data, videos=1, test_videos=2, frames=3, size=96, seed=7, format="mp4"
        ...     )
        ...     first, second = sorted((data / "test").glob("*.mp4"))
        ...     table = Path(folder, "pairs.csv")
        ...     _ = table.write_text(f"source,driving\n{first},{second}\n")
        ...     jobs = read_jobs(table, folder)
        ...     results = list(run_jobs(jobs, lambda options: load_model(device="cpu")))
        >>> [result.status for result in results], results[0].report.frames
        (['done'], 3)
    """
    order = sorted(jobs, key=_first_uses(jobs))
    for _, group in groupby(order, key=_model_of):
        shared = _SharedModel(load)
        for job in group:
            if skip_existing and output_exists(job.output):
                yield JobResult(job, "skipped", 0.0)
                continue
            yield _run(job, shared, start, force=force)


def output_exists(output: str) -> bool:
    """Return whether an output is there: a file, or a folder that is not empty."""
    path = Path(output)
    return any(path.iterdir()) if path.is_dir() else path.exists()


class _SharedModel:
    """The model of several jobs, loaded by the first of them that needs it."""

    def __init__(self, load: LoadModel) -> None:
        self._load = load
        self._model: AnimationModel | None = None
        self._error: Exception | None = None

    def get(self, options: JobOptions) -> AnimationModel:
        """Return the model, or raise the error of loading it again."""
        if self._error is not None:
            raise self._error
        if self._model is None:
            try:
                self._model = self._load(options)
            except Exception as error:
                self._error = error
                raise
        return self._model


def _run(job: AnimationJob, shared: _SharedModel, start: StartJob, *, force: bool) -> JobResult:
    started = monotonic()
    options = job.options
    try:
        make_folders(job)
        with open_animation(
            job.source,
            job.driving,
            job.output,
            job.settings,
            force=force,
            save_motion=options.save_motion,
        ) as opened:
            model = shared.get(options)
            started = monotonic()
            inference_model = InferenceModel(model, None, options.batch_size, options.precision)
            done = render_animation(inference_model, opened, start(job))
    except Exception as error:
        return JobResult(job, "failed", monotonic() - started, error=error)
    return JobResult(job, "done", monotonic() - started, report=done)


def make_folders(job: AnimationJob) -> None:
    """Create the folders of a job's output and motion file.

    Raises:
        MediaError: a folder cannot be created.
    """
    for name in (job.output, job.options.save_motion):
        folder = None if name is None else Path(name).parent
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or "error"
            raise MediaError(f"{folder}: cannot be created ({reason}); choose another") from None


def _model_of(job: AnimationJob) -> tuple[str, str]:
    return job.options.checkpoint, job.options.device


def _first_uses(jobs: Sequence[AnimationJob]) -> Callable[[AnimationJob], int]:
    """Return a key that orders jobs by the first one with the same model."""
    first: dict[tuple[str, str], int] = {}
    for number, job in enumerate(jobs):
        first.setdefault(_model_of(job), number)
    return lambda job: first[_model_of(job)]
