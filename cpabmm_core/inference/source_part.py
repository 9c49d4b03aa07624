"""The part of the source that is animated: cut out for the model, and made into the output."""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from PIL import Image, ImageColor

from cpabmm_core.arrays import Frame
from cpabmm_core.inference.animated_frame import Finish
from cpabmm_core.inference.auto_crop import find_region
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.open_animation import OpenAnimation
from cpabmm_core.inference.paste import paste_back
from cpabmm_core.inference.regions import Framing, Region, frame_region
from cpabmm_core.inference.settings import AnimationSettings
from cpabmm_core.inference.subject_warning import subject_warning
from cpabmm_core.inference.transparency import WHITE, Colour, on_matte
from cpabmm_core.progress import StatusCallback

_KEEP = "keep"
_OPAQUE = 255
_RGB, _RGBA = 3, 4


@dataclass(frozen=True)
class SourcePart:
    """What is done with each frame of the source: before the model sees it, and after.

    Attributes:
        width: width of the source in pixels.
        height: height of the source in pixels.
        framing: the square of the source that the model sees, and the part that the output shows.
        settings: size, background and whether the part is pasted back.
        keeps_alpha: whether the output is transparent where the source is.
    """

    width: int
    height: int
    framing: Framing
    settings: AnimationSettings
    keeps_alpha: bool

    @cached_property
    def matte(self) -> Colour:
        """The colour on which transparent parts are put, for the networks or for good."""
        return matte_of(self.settings)

    @property
    def scale(self) -> float:
        """Pixels of the output per pixel of the source."""
        size, region = self.settings.size, self.framing.region
        if size is None:
            return 1.0
        shown = (
            (self.width, self.height) if self.settings.paste_back else (region.width, region.height)
        )
        return size / max(shown)

    @property
    def side(self) -> int:
        """The side of the rendered square in pixels."""
        return max(1, round(self.framing.square.width * self.scale))

    def opaque(self, frame: Frame) -> Frame:  # (H, W, 3), or (H, W, 4) if alpha is kept
        """Put a frame of the source on the background, unless its transparency is kept."""
        if frame.shape[2] == _RGB:
            if self.keeps_alpha:  # a frame of an animation without transparent parts
                return np.dstack([frame, np.full_like(frame[..., :1], _OPAQUE)])
            return frame
        return frame if self.keeps_alpha else on_matte(frame, self.matte)

    def encode(self, inference_model: InferenceModel, frame: Frame) -> EncodedSource:
        """Encode the square of the first frame, to be rendered at the size of the output."""
        square = self.framing.cut(self.opaque(frame))
        return EncodedSource.from_squares(inference_model, [square], self.side, matte=self.matte)

    def finisher(self, frame: Frame) -> Finish:
        """Return what makes the output of a square that was rendered from this source frame."""
        if not self.settings.paste_back:
            return self.framing.uncover
        whole = self.opaque(frame)
        size = (max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale)))
        if size == (self.width, self.height):
            return partial(_paste, whole, self.framing, self.framing.uncover)
        resized = np.array(Image.fromarray(whole).resize(size, Image.Resampling.LANCZOS))
        place = _scaled(self.framing.region, size[0] / self.width, size[1] / self.height)
        return partial(_paste, resized, Framing(place, place), self.framing.uncover)


def _paste(whole: Frame, place: Framing, uncover: Finish, square: Frame) -> Frame:
    return paste_back(whole, uncover(square), place)


def _scaled(region: Region, across: float, down: float) -> Region:
    """Return a region in a picture that has been resized, in whole pixels of it."""
    right = max(1, round((region.left + region.width) * across))
    bottom = max(1, round((region.top + region.height) * down))
    left = min(round(region.left * across), right - 1)
    top = min(round(region.top * down), bottom - 1)
    return Region(left, top, right - left, bottom - top)


def matte_of(settings: AnimationSettings) -> Colour:
    """Return the colour on which transparent parts are put."""
    if settings.background in (None, _KEEP):
        return WHITE
    red, green, blue = ImageColor.getrgb(settings.background)[:_RGB]
    return red / _OPAQUE, green / _OPAQUE, blue / _OPAQUE


def has_transparent_parts(frame: Frame) -> bool:
    """Return whether a frame has an alpha channel that is not opaque everywhere."""
    return frame.shape[2] == _RGBA and bool((frame[..., _RGBA - 1] < _OPAQUE).any())


def prepare_source(
    inference_model: InferenceModel, opened: OpenAnimation, report: StatusCallback
) -> SourcePart:
    """Find the part of the source to animate.

    Args:
        inference_model: the model.
        opened: the open animation.
        report: receives one line with a part that was found, or a warning about the subject.

    Raises:
        ConfigError: the given part lies outside the source.
    """
    settings, name, first = opened.settings, opened.source_name, opened.source.first
    height, width = first.shape[:2]
    region = None
    if settings.crop == "auto":
        region = find_region(inference_model, [first], settings.fit, name=name)
        if region != Region(0, 0, width, height):
            report(f"{name}: cropped to {region}")
    elif settings.crop != "none":
        region = Region.parse(settings.crop)
    framing = frame_region(width, height, region, settings.fit, name=name)
    wants_alpha = settings.background in (None, _KEEP) and opened.target.keeps_alpha
    has_alpha = opened.source.is_moving or has_transparent_parts(first)
    keeps_alpha = wants_alpha and has_alpha and first.shape[2] == _RGBA
    part = SourcePart(width, height, framing, settings, keeps_alpha)
    if settings.crop != "auto":
        warning = subject_warning(inference_model, first, framing, name=name)
        if warning is not None:
            report(warning)
    return part
