"""One animation for ``cpabmm animate``: from checked options to the printed result."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from cpabmm_cli.checkpoints import announce_model, prepare_checkpoint
from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.stopping import StopOnSignal
from cpabmm_core.config.section import Section

if TYPE_CHECKING:
    from cpabmm_core.inference.animation import AnimationReport

    from cpabmm_core.inference.jobs import JobOptions
    from cpabmm_core.media.video.sound import SoundReport
    from cpabmm_core.models.animation_model import AnimationModel

_S = TypeVar("_S", bound=Section)


def run_pair(
    source: str,
    driving: str,
    output: str | None,
    values: Mapping[str, Any],
    *,
    json: bool,
    force: bool,
) -> None:
    """Animate one source and print the path of the result, or a document about it."""
    from cpabmm_core.inference.jobs import JobOptions
    from cpabmm_core.inference.open_animation import open_animation
    from cpabmm_core.inference.output_names import default_output
    from cpabmm_core.inference.settings import AnimationSettings

    settings, options = section_of(AnimationSettings, values), section_of(JobOptions, values)
    path = output or default_output(source, driving, settings.format)
    with open_animation(
        source, driving, path, settings, force=force, save_motion=options.save_motion
    ) as opened:
        model = load(options)
        chosen = announce_model(options.checkpoint, model, options.precision)

        from cpabmm_core.inference.animation import render_animation

        from cpabmm_core.inference.inference_model import InferenceModel

        inference_model = InferenceModel(model, None, options.batch_size, options.precision)
        with (
            StopOnSignal() if opened.is_live else nullcontext() as stop,
            terminal.counter("rendering", "frames") as progress,
        ):
            report = render_animation(
                inference_model,
                opened,
                report=terminal.say,
                on_sound=say_sound,
                progress=progress,
                stop=stop,
            )
    if output == "-":
        return
    document = {
        "output": path,
        **document_of(report),
        "seconds": round(report.seconds, 3),
        "checkpoint": options.checkpoint,
        "precision": chosen,
    }
    terminal.result(as_json(document) if json else path)


def load(options: "JobOptions", device: str | None = None) -> "AnimationModel":
    """Load the model of the options, on their device or on another one."""
    from cpabmm_core import load_model  # imports torch; bad files fail before that

    return load_model(prepare_checkpoint(options.checkpoint), device or options.device)


def section_of(kind: type[_S], values: Mapping[str, Any]) -> _S:
    """Validate the options that are fields of a section.

    Raises:
        typer.BadParameter: an option is invalid or excludes another one.
    """
    from cpabmm_core.inference.settings import SettingError, validated

    try:
        return validated(kind, {name: values[name] for name in kind.model_fields})
    except SettingError as error:
        hint = f"--{error.name.replace('_', '-')}"
        raise typer.BadParameter(error.problem, param_hint=hint) from None


def say_sound(sound: "SoundReport") -> None:
    """Show what is lost of the sound."""
    if sound.problem is not None:
        terminal.say(sound.problem)


def document_of(report: "AnimationReport | None") -> dict[str, Any]:
    """Return the part of a document that shows a report; without one, all values are null."""
    names = ("frames", "size", "mode", "reference_frame", "crop", "driving_crop", "audio")
    return {name: _plain(getattr(report, name, None)) for name in names}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
