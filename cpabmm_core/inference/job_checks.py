"""Checks of all rows of a table before the first one is animated, without torch."""

from collections.abc import Sequence
from pathlib import Path

from cpabmm_core.errors import CpabmmError, DataError, OutputExistsError, Remedy
from cpabmm_core.inference.jobs import AnimationJob
from cpabmm_core.inference.settings import SettingError
from cpabmm_core.media.output_target import output_target


def check_outputs(
    table: str | Path, jobs: Sequence[AnimationJob], *, may_exist: bool = False
) -> None:
    """Check formats, codecs and places of all outputs. Nothing is created.

    Args:
        table: the table, for the messages.
        jobs: its rows.
        may_exist: whether outputs may exist already.

    Raises:
        OutputExistsError: an output exists.
        DataError: an output cannot be written as the row asks. The message names the line.
    """
    for job in jobs:
        try:
            _check(job, may_exist=may_exist)
        except OutputExistsError as error:
            raise OutputExistsError(
                f"{table}: line {job.line}: {error.trouble}",
                "pass force=True or skip_existing=True",
                remedy=Remedy.OVERWRITE_OR_SKIP,
            ) from None
        except CpabmmError as error:
            raise DataError(f"{table}: line {job.line}: {error}") from None


def _check(job: AnimationJob, *, may_exist: bool) -> None:
    name, settings = job.output, job.settings
    parent = Path(name).parent
    if not parent.exists():  # it will be created in the nearest folder that exists
        existing = next(folder for folder in parent.absolute().parents if folder.exists())
        name = str(existing / Path(name).name) + ("/" if name.endswith("/") else "")
        may_exist = True
    wants_alpha = settings.background == "keep"
    target = output_target(
        name,
        format=settings.format,
        codec=settings.codec,
        quality=settings.quality,
        alpha=wants_alpha,
        force=may_exist,
    )
    if wants_alpha and not target.keeps_alpha:
        raise SettingError("background", "keep needs a format that has transparency")
