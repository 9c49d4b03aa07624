"""The whole of an animation: from names of files to a report of what was written."""

from copy import copy
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from cpabmm_core.compilation import compiling_in_background
from cpabmm_core.inference.animated_frame import View
from cpabmm_core.inference.callbacks import AnimationCallbacks
from cpabmm_core.inference.driving_part import prepare_driving
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.open_animation import OpenAnimation, open_animation
from cpabmm_core.inference.poses import PoseTransfer
from cpabmm_core.inference.regions import Region
from cpabmm_core.inference.rendering import Rendering
from cpabmm_core.inference.settings import AnimationSettings
from cpabmm_core.inference.source_part import prepare_source
from cpabmm_core.inference.stream import AnimationStream
from cpabmm_core.inference.transfer import check_mode
from cpabmm_core.inference.views import compare_view, result, visual_view

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

_BATCH_PIXELS = 2**24
"""Most pixels of the results of one batch. Each takes about 50 bytes while it is rendered."""


@dataclass(frozen=True, slots=True)
class AnimationReport:
    """What became of an animation.

    Example:
        >>> crop = (0, 0, 480, 360)
        >>> report = AnimationReport(75, (480, 360), 3.2, "copied", "relative", 0, crop, None)
        >>> report.frames, report.size
        (75, (480, 360))
    """

    frames: int
    """Number of frames that were written."""
    size: tuple[int, int]
    """Width and height of the output in pixels."""
    seconds: float
    """Time for everything after the model was loaded."""
    audio: str
    """What became of the sound: ``copied``, ``encoded``, ``left out``, or ``none``."""
    mode: Literal["standard", "relative", "avd"]
    """How driving poses were transferred."""
    reference_frame: int | None
    """Number of the driving frame whose pose corresponded to the source's, in mode ``relative``."""
    crop: Box
    """The part of the source that was animated."""
    driving_crop: Box | None
    """The part of the driving frames that the model saw; None for a motion file."""


def animate_file(
    inference_model: InferenceModel,
    source: str,
    driving: str,
    output: str,
    settings: AnimationSettings | None = None,
    *,
    force: bool = False,
    save_motion: str | None = None,
    callbacks: AnimationCallbacks | None = None,
) -> AnimationReport:
    """Animate a source with the motion of a video and write the result, in constant memory.

    Args:
        inference_model: the model.
        source: the picture or video to animate, or ``-`` for standard input.
        driving: the driving video, ``-`` for standard input, ``camera:N`` or a motion file.
        output: the file to write, a folder of PNG frames if it ends in a slash, or ``-`` for
            standard output.
        settings: how to animate; None for the defaults.
        force: whether an existing output may be replaced.
        save_motion: file to which the motion is saved as well.
        callbacks: what is told about the run.

    Returns:
        What was written.

    Raises:
        SettingError: a setting does not go with these inputs or this output.
        ConfigError: a part lies outside its picture, or the model lacks what the mode needs.
        MediaError: an input is missing or damaged, or the output cannot be written.
        DataError: the motion file is damaged or of another model.
        ResourceError: the disk is full.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import write_puppets
        >>> inference_model = InferenceModel(load_model("puppets", device="cpu"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data = Path(folder, "data")
        ...     _ = write_puppets(
        ...         data, videos=1, test_videos=2, frames=3, size=96, seed=7, format="mp4"
        ...     )
        ...     first, second = map(str, sorted((data / "test").glob("*.mp4")))
        ...     settings = AnimationSettings(size=160)
        ...     report = animate_file(inference_model, first, second, f"{folder}/o.mp4", settings)
        >>> report.frames, report.size
        (3, (160, 160))
    """
    with open_animation(
        source,
        driving,
        output,
        settings or AnimationSettings(),
        force=force,
        save_motion=save_motion,
    ) as opened:
        return render_animation(inference_model, opened, callbacks)


@compiling_in_background()
def render_animation(
    inference_model: InferenceModel,
    opened: OpenAnimation,
    callbacks: AnimationCallbacks | None = None,
) -> AnimationReport:
    """Render an animation that is open, and write it. See `animate_file`."""
    started, settings, tell = monotonic(), opened.settings, callbacks or AnimationCallbacks()
    inference_model = _with_motion(inference_model, settings)
    check_mode(settings.mode, inference_model.model.avd)
    source = prepare_source(inference_model, opened, tell.report)
    inference_model = _within_memory(inference_model, source.side)
    first = opened.source.first
    encoded = source.encode(inference_model, first)
    driving = prepare_driving(
        inference_model, opened, encoded.keypoints, report=tell.report, show=tell.show
    )
    poses = PoseTransfer.for_model(
        inference_model.model,
        encoded.keypoints,
        settings.mode,
        hull_scaling=settings.hull_scaling,
        motion_scale=settings.motion_scale,
        smooth=settings.smooth,
        reference=driving.reference,
    )
    stream = AnimationStream(
        inference_model,
        encoded,
        poses,
        driving=driving.framing,
        view=_view(settings),
        finish=source.finisher(first),
    )
    rendering = Rendering(inference_model.batch_size, opened, source, driving, stream, poses)
    written = rendering.write(tell)
    framing = driving.framing
    return AnimationReport(
        frames=written.frames,
        size=written.size,
        seconds=monotonic() - started,
        audio=written.audio,
        mode=settings.mode,
        reference_frame=driving.reference_frame if settings.mode == "relative" else None,
        crop=_box(source.framing.region),
        driving_crop=None if framing is None else _box(framing.region),
    )


def _with_motion(inference_model: InferenceModel, settings: AnimationSettings) -> InferenceModel:
    if settings.motion == "model":
        return inference_model
    from cpabmm_core.models.motion_swap import with_cpab_motion

    return inference_model.with_model(with_cpab_motion(inference_model.model))


def _within_memory(inference_model: InferenceModel, side: int) -> InferenceModel:
    """Return the model with smaller batches if its results would be very large."""
    changed = copy(inference_model)
    changed.batch_size = max(1, min(inference_model.batch_size, _BATCH_PIXELS // side**2))
    return changed


def _view(settings: AnimationSettings) -> View:
    if settings.compare:
        return compare_view
    return visual_view if settings.visualize else result


def _box(region: Region) -> Box:
    return region.left, region.top, region.width, region.height
