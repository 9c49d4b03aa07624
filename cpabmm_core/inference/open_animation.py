"""The inputs and the output of one animation, checked and open, in a module without torch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.files.output import check_output
from cpabmm_core.inference.motion_kind import is_motion_file
from cpabmm_core.inference.settings import AnimationSettings, SettingError
from cpabmm_core.media.camera import camera_number
from cpabmm_core.media.inputs import DrivingFrames, SourceFrames, open_driving, open_source
from cpabmm_core.media.output_target import OutputTarget, output_target

_STDIN = "-"


@dataclass(frozen=True)
class OpenAnimation:
    """An animation of which everything has been checked that can be without the model.

    Attributes:
        source: the source, open.
        driving: the driving video, open; None for a motion file.
        motion_file: the motion file in place of a driving video.
        target: where the result goes.
        settings: how to animate.
        save_motion: file to which the motion is saved.
        source_name: what messages call the source.
        driving_name: what messages call the driving video.
    """

    source: SourceFrames
    driving: DrivingFrames | None
    motion_file: Path | None
    target: OutputTarget
    settings: AnimationSettings
    save_motion: Path | None
    source_name: str
    driving_name: str

    @property
    def is_live(self) -> bool:
        """Whether the driving frames come from a camera, which has no end."""
        return self.driving is not None and self.driving.is_live


@contextmanager
def open_animation(
    source: str,
    driving: str,
    output: str,
    settings: AnimationSettings,
    *,
    force: bool = False,
    save_motion: str | None = None,
) -> Iterator[OpenAnimation]:
    """Check everything that can go wrong without the model, and open the inputs.

    Args:
        source: the picture or video to animate, or ``-`` for standard input.
        driving: the driving video, ``-``, ``camera:N`` or a motion file.
        output: the file or folder to write, or ``-`` for standard output.
        settings: how to animate.
        force: whether an existing output may be replaced.
        save_motion: file to which the motion is saved as well.

    Yields:
        The open animation. The inputs are closed at the end.

    Raises:
        SettingError: a setting does not go with these inputs or this output.
        MediaError: an input is missing or unreadable, or the output cannot be written.
        ResourceError: the disk is full.
    """
    inputs = [Path(name) for name in (source, driving) if name != _STDIN]
    _check_saved(save_motion, output, inputs, force=force)
    wants_alpha = settings.background == "keep"
    target = _target(output, settings, alpha=wants_alpha, force=force, inputs=inputs)
    if wants_alpha and not target.keeps_alpha:
        raise SettingError("background", "keep needs a format that has transparency")
    is_motion = is_motion_file(driving)
    _check_kinds(source, driving, settings, save_motion, is_motion=is_motion)
    with ExitStack() as stack:
        picture = stack.enter_context(open_source(source, alpha=True))
        video = None if is_motion else stack.enter_context(open_driving(driving))
        if settings.background is None and picture.first.shape[2] == 4:
            target = _target(output, settings, alpha=True, force=force, inputs=inputs)
        yield OpenAnimation(
            source=picture,
            driving=video,
            motion_file=Path(driving) if is_motion else None,
            target=target,
            settings=settings,
            save_motion=None if save_motion is None else Path(save_motion),
            source_name=_shown(source),
            driving_name=_shown(driving),
        )


def _shown(name: str) -> str:
    return "standard input" if name == _STDIN else name


def _target(
    output: str, settings: AnimationSettings, *, alpha: bool, force: bool, inputs: list[Path]
) -> OutputTarget:
    return output_target(
        output,
        format=settings.format,
        codec=settings.codec,
        quality=settings.quality,
        alpha=alpha,
        force=force,
        inputs=inputs,
    )


def _check_saved(name: str | None, output: str, inputs: list[Path], *, force: bool) -> None:
    if name is None:
        return
    if Path(name).absolute() == Path(output).absolute():
        raise SettingError("save_motion", f"{name} is also the output; choose another name")
    check_output(name, force=force, inputs=inputs)


def _check_kinds(
    source: str,
    driving: str,
    settings: AnimationSettings,
    save_motion: str | None,
    *,
    is_motion: bool,
) -> None:
    """Refuse settings that these kinds of inputs cannot serve."""
    if source == driving == _STDIN:
        raise SettingError("source", "standard input can be only one of source and driving")
    if is_motion:
        if save_motion is not None:
            raise SettingError("save_motion", "needs a driving video, not a motion file")
        if settings.driving_crop != "none":
            raise SettingError("driving_crop", "has no effect on a motion file; leave it out")
        if settings.mirror:
            raise SettingError("mirror", "needs a driving video, not a motion file")
    whole = settings.reference_frame != 0 or save_motion is not None
    if camera_number(driving) is not None and whole:
        name = "save_motion" if save_motion else "reference_frame"
        raise SettingError(name, "needs a recorded video, because a camera has no end")
    if driving == _STDIN and settings.compare and whole:
        raise SettingError("compare", "needs a file here, because the driving video is read twice")
    if settings.audio == "source" and source == _STDIN:
        raise SettingError("audio", "the sound of the source needs a file, not standard input")
