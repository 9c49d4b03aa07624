"""Tables of animations to make in one run, in a module that does not import torch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT
from cpabmm_core.config.section import Section
from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.files.lines import quote
from cpabmm_core.files.text import decode_text
from cpabmm_core.inference.job_rows import job_rows
from cpabmm_core.inference.output_names import default_output
from cpabmm_core.inference.settings import AnimationSettings, SettingError, validated
from cpabmm_core.media.camera import camera_number

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)
_FILES = ("source", "driving", "output")


def _read_device(value: object) -> object:
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise ValueError("expected auto, cpu, cuda, cuda:N or mps")
    return value


class JobOptions(Section):
    """What an animation runs with, beside its settings.

    Example:
        >>> JobOptions(batch_size="2").batch_size
        2
    """

    checkpoint: str = DEFAULT_CHECKPOINT
    """Name of a model, or path of a checkpoint."""
    device: Annotated[str, BeforeValidator(_read_device)] = "auto"
    """Device to run on."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the networks."""
    batch_size: int | None = Field(default=None, ge=1)
    """Number of frames to render at a time; None depends on the device."""
    save_motion: str | None = None
    """File to which the motion of the driving video is saved."""


@dataclass(frozen=True, slots=True)
class AnimationJob:
    """One row of a table of animations.

    Example:
        >>> settings = AnimationSettings(mode="standard")
        >>> job = AnimationJob(2, "a.png", "b.mp4", "a--b.mp4", settings, JobOptions(device="cpu"))
        >>> job.settings.mode, job.options.checkpoint
        ('standard', 'puppets')
    """

    line: int
    """Line of the table, from 1."""
    source: str
    """The picture or video to animate."""
    driving: str
    """The video or the motion file that provides the motion."""
    output: str
    """The file or folder to write."""
    settings: AnimationSettings
    """How to animate."""
    options: JobOptions
    """Model, device and the like."""


_COLUMNS = (*_FILES, *AnimationSettings.model_fields, *JobOptions.model_fields)


def read_jobs(
    path: str | Path, folder: str | Path, defaults: Mapping[str, object] | None = None
) -> list[AnimationJob]:
    r"""Read a table of animations and check all of its rows.

    A table is a CSV file whose first row names the columns, or has one JSON object per line. The
    columns ``source`` and ``driving`` are required. ``output`` and every field of
    `AnimationSettings` and `JobOptions` are optional; an empty cell means the default. A name may
    be written with ``-`` or ``_``.

    Args:
        path: the table; a name in ``.jsonl`` or ``.ndjson`` means JSON lines, any other CSV.
        folder: folder of the outputs. Names in the column ``output`` are relative to it; without
            one, the name joins those of the source and the driving video. Names of inputs are
            relative to the folder of the table.
        defaults: values for all rows that do not give their own, by name.

    Returns:
        One job per row, in order.

    Raises:
        DataError: the table is missing or empty, or has an unknown column, a row with an invalid
            value, or two rows with the same output. The message names the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = Path(folder, "pairs.csv")
        ...     _ = table.write_text("source,driving,motion-scale\nface.png,talk.mp4,1.5\n")
        ...     [job] = read_jobs(table, "results")
        >>> job.line, job.output, job.settings.motion_scale
        (2, 'results/face--talk.mp4', 1.5)
    """
    path = Path(path)
    require_file(path, error=DataError, expected="a table of animations")
    try:
        text = decode_text(str(path), path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)}); check it") from None
    rows = job_rows(str(path), text, known=_COLUMNS, required=("source", "driving"))
    jobs = [_job(path, line, row, Path(folder), defaults or {}) for line, row in rows]
    if not jobs:
        raise DataError(f"{path}: has no rows; give one animation per line")
    _check_files(path, jobs)
    return jobs


def _job(
    path: Path, line: int, row: Mapping[str, object], folder: Path, defaults: Mapping[str, object]
) -> AnimationJob:
    values = {**defaults, **row}
    try:
        options = validated(JobOptions, _fields(JobOptions, values))
        settings = validated(AnimationSettings, _fields(AnimationSettings, values))
        source, driving = (_input(path, row, name) for name in ("source", "driving"))
        output = row.get("output") or default_output(source, driving, settings.format)
        _check_name("output", output)
    except SettingError as error:
        raise DataError(f"{path}: line {line}: {error}") from None
    options = _placed(options, row, path.parent, folder)
    target = str(folder / str(output))
    if str(output).endswith("/"):  # a folder of frames; joining removes the mark
        target += "/"
    return AnimationJob(line, source, driving, target, settings, options)


def _placed(options: JobOptions, row: Mapping[str, object], base: Path, folder: Path) -> JobOptions:
    """Return the options with the paths that the row gives put where they belong."""
    update: dict[str, object] = {}
    if options.save_motion is not None:
        update["save_motion"] = str(folder / options.save_motion)
    checkpoint = base / options.checkpoint
    if "checkpoint" in row and checkpoint.is_file():  # otherwise it is the name of a model
        update["checkpoint"] = str(checkpoint)
    return options.model_copy(update=update)


def _fields(kind: type[Section], values: Mapping[str, object]) -> dict[str, object]:
    found = {name: values[name] for name in kind.model_fields if name in values}
    return {
        k: v.strip() if isinstance(v, str) and k != "save_motion" else v for k, v in found.items()
    }


def _input(path: Path, row: Mapping[str, object], name: str) -> str:
    """Return the path of an input. One relative path means the same on every working directory."""
    value = row.get(name)
    if value is None:
        raise SettingError(name, "is missing; give a file")
    _check_name(name, value)
    return str(path.parent / str(value))


def _check_name(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise SettingError(name, f"expected the name of a file, got {quote(value)}")
    if "\0" in value:
        raise SettingError(name, f"{quote(value)} contains a zero character; correct it")
    if value == "-" or camera_number(value) is not None:
        raise SettingError(name, f"{value} cannot be part of a table; give a file")


def _check_files(path: Path, jobs: Sequence[AnimationJob]) -> None:
    """Refuse two results with the same name, and results that replace inputs."""
    inputs = {_place(name): job.line for job in jobs for name in (job.source, job.driving)}
    written: dict[Path, int] = {}
    for job in jobs:
        for name in (job.output, job.options.save_motion):
            if name is None:
                continue
            place = _place(name)
            if place in written:
                raise DataError(
                    f"{path}: line {job.line}: writes {name}, as line {written[place]} does; give "
                    "one of them another output"
                )
            if place in inputs:
                raise DataError(
                    f"{path}: line {job.line}: replaces {name}, an input of line {inputs[place]}; "
                    "choose another output"
                )
            written[place] = job.line


def _place(name: str) -> Path:
    """Return where a name leads to, without asking the disk more than once for a folder."""
    path = Path(name).absolute()
    return path.parent.resolve() / path.name
