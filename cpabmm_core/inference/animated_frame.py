"""One frame of an animation, with everything that a picture of it may show."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.inference.encoded_source import RenderedFrames
from cpabmm_core.models.dense_motion import Motion

Finish = Callable[[Frame], Frame]
"""Makes an output frame from a rendered square."""


def unchanged(frame: Frame) -> Frame:
    """Return the frame itself."""
    return frame


@dataclass(frozen=True)
class AnimatedFrame:
    """One frame of an animation with everything that a view may show.

    The squares are what the model sees: a part of the source, and of the driving frame.

    Example:
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.inference import AnimationStream, EncodedSource, InferenceModel
        >>> from cpabmm_core.inference import PoseTransfer
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = InferenceModel(load_model("puppets", device="cpu"), batch_size=1)
        >>> frames = render_puppet(seed=7, index=0, split="test", frames=2, size=96).frames
        >>> source = EncodedSource.from_squares(model, [frames[0]])
        >>> poses = PoseTransfer.for_model(model.model, source.keypoints)
        >>> def visible_part(frame: AnimatedFrame) -> Frame:  # a view of one's own
        ...     return (255 * frame.rendered.motion.occlusion_maps[-1][0, 0]).byte().numpy()
        >>> stream = AnimationStream(model, source, poses, view=visible_part)
        >>> [picture.shape for frame in frames for picture in stream.push(frame)]
        [(128, 128), (128, 128)]
    """

    image: Frame  # (H, W, 3 or 4)
    """The result, finished."""
    source: Frame  # (T, T, 3 or 4)
    """The square of the source at the size of the rendered frames."""
    driving: Frame | None  # (side, side, 3)
    """The square of the driving frame; None if only its keypoints are known."""
    rendered: RenderedFrames
    """The rendered square, its motion and its pose: a batch of one."""
    index: int
    """Number of the frame, from 0."""
    source_keypoints: Tensor  # (N, 2 or 6) in [-1, 1]
    """Keypoints of the source."""
    driving_keypoints: Tensor  # (N, 2 or 6) in [-1, 1]
    """Keypoints of the driving frame, before they are transferred to the source."""
    groups: int | None = None
    """Number of groups of keypoints that move together."""
    finish: Finish = unchanged
    """Makes the result from a rendered square: cuts, pastes back or resizes it."""
    uncover: Finish = unchanged
    """Cuts the part of the driving square that was asked for."""


View = Callable[[AnimatedFrame], Frame]
"""Makes the picture to show. All pictures of one animation have the same size."""


def only(rendered: RenderedFrames, index: int) -> RenderedFrames:
    """Return one frame of a batch, as a batch of one."""
    part, motion = slice(index, index + 1), rendered.motion
    one = Motion(
        motion.deformation[part],
        motion.contribution_maps[part],
        [level[part] for level in motion.occlusion_maps],
        motion.deformed_sources[part],
        motion.align_corners,
        motion.padding,
    )
    return RenderedFrames(rendered.images[part], one, rendered.poses[part])
