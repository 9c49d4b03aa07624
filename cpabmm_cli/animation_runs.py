"""One animation for ``cpabmm animate``: from checked options to the printed result."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from cpabmm_cli.checkpoints import announce_model, prepare_checkpoint
from cpabmm_cli.console import Counter, as_json, terminal
from cpabmm_cli.failures import message_of
from cpabmm_cli.stopping import StopOnSignal
from cpabmm_core.config.section import Section

if TYPE_CHECKING:
    from cpabmm_core.inference.animation import AnimationReport
    from cpabmm_core.inference.callbacks import AnimationCallbacks
    from cpabmm_core.inference.jobs import JobOptions
    from cpabmm_core.inference.open_animation import OpenAnimation
    from cpabmm_core.inference.settings import SettingError
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
    with (
        _usage_errors(),
        open_animation(
            source, driving, path, settings, force=force, save_motion=options.save_motion
        ) as opened,
    ):
        model = load(options, options.device)
        chosen = announce_model(options.checkpoint, model, options.precision)

        from cpabmm_core.inference.animation import render_animation
        from cpabmm_core.inference.inference_model import InferenceModel

        inference_model = InferenceModel(model, None, options.batch_size, options.precision)
        with _stopping(opened) as stop:
            report = render_animation(inference_model, opened, callbacks(stop=stop))
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


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Report settings that do not go with the inputs as wrong usage of their options."""
    from cpabmm_core.inference.settings import SettingError

    try:
        yield
    except SettingError as error:
        raise _bad_parameter(error) from None


def _bad_parameter(error: "SettingError") -> typer.BadParameter:
    return typer.BadParameter(error.problem, param_hint=f"--{error.name.replace('_', '-')}")


@contextmanager
def _stopping(opened: "OpenAnimation") -> Iterator[Callable[[], object]]:
    """Let Ctrl-C and SIGTERM end a recording from a camera in good order; elsewhere they abort."""
    if not opened.is_live:
        yield lambda: None
        return
    terminal.say("recording; Ctrl-C ends it")
    with StopOnSignal() as stop:
        yield stop


def callbacks(
    label: str = "",
    *,
    shows_progress: bool = True,
    stop: Callable[[], object] = lambda: None,
) -> "AnimationCallbacks":
    """Return callbacks that show everything on the terminal.

    Args:
        label: what the bars say before the name of the stage.
        shows_progress: whether to show bars.
        stop: ends the animation.
    """
    from cpabmm_core.files.display import show_nothing
    from cpabmm_core.inference.callbacks import AnimationCallbacks

    return AnimationCallbacks(
        report=terminal.say,
        warn=lambda warning: terminal.say(message_of(warning)),
        on_sound=_say_sound,
        show=partial(_bar, label) if shows_progress else show_nothing,
        stop=stop,
    )


def _bar(label: str, stage: str) -> AbstractContextManager[Counter]:
    return terminal.counter(f"{label}{stage}", "frames")


def load(options: "JobOptions", device: str) -> "AnimationModel":
    """Load the model of the options on a device."""
    from cpabmm_core import load_model  # imports torch; bad files fail before that

    return load_model(prepare_checkpoint(options.checkpoint), device)


def section_of(kind: type[_S], values: Mapping[str, Any]) -> _S:
    """Validate the options that are fields of a section.

    Raises:
        typer.BadParameter: an option is invalid or excludes another one.
    """
    from cpabmm_core.inference.settings import SettingError, validated

    try:
        return validated(kind, {name: values[name] for name in kind.model_fields})
    except SettingError as error:
        raise _bad_parameter(error) from None


def _say_sound(sound: "SoundReport") -> None:
    """Show what is lost of the sound."""
    if sound.problem is not None:
        terminal.say(sound.problem)


def document_of(report: "AnimationReport | None") -> dict[str, Any]:
    """Return the part of a document that shows a report; without one, all values are null."""
    names = ("frames", "size", "mode", "reference_frame", "crop", "driving_crop", "audio")
    return {name: _plain(getattr(report, name, None)) for name in names}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
