"""The settings of an animation, in a module that does not import torch."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from cpabmm_core.config.problems import shorten, suggest
from cpabmm_core.config.section import Section
from cpabmm_core.errors import ConfigError

_S = TypeVar("_S", bound=Section)

_CROP = re.compile(r"none|auto|\d+,\d+,[1-9]\d*,[1-9]\d*", re.ASCII)
_FASTEST = 1000
_RATIO = re.compile(r"\d+(\.\d+)?|\d+/[1-9]\d*")
_EXPECTED = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
}
"""Messages for types of pydantic errors whose own message does not help."""


def _read_crop(value: object) -> object:
    text = str(value).replace(" ", "")
    if not _CROP.fullmatch(text):
        raise ValueError("expected none, auto or X,Y,W,H in pixels")
    return text


def _read_rate(value: object) -> object:
    """Return a frame rate exactly: 29.97 is 2997/100, and 30000/1001 is a fraction."""
    if value is None or isinstance(value, Fraction):
        return value
    text = str(value).strip()
    if not _RATIO.fullmatch(text):
        raise ValueError("expected a number or a fraction such as 30000/1001")
    rate = Fraction(text)
    if not 0 < rate <= _FASTEST:
        raise ValueError(f"expected more than 0 and at most {_FASTEST}")
    return rate


def _read_colour(value: object) -> object:
    if value is None or value == "keep":
        return value
    from PIL import ImageColor

    text = str(value).strip()
    try:
        ImageColor.getrgb(text)
    except ValueError:
        raise ValueError("expected keep, the name of a colour or #rrggbb") from None
    return text


def _read_reference(value: object) -> object:
    text = str(value).strip()
    if isinstance(value, bool) or not (text == "auto" or (text.isascii() and text.isdigit())):
        raise ValueError("expected auto or the number of a frame, counted from 0")
    return text if text == "auto" else int(text)


Crop = Annotated[str, BeforeValidator(_read_crop)]
"""A part of a picture: ``none``, ``auto`` or ``X,Y,W,H``."""
FrameRate = Annotated[Fraction | None, BeforeValidator(_read_rate)]
"""Frames per second, as a number or a fraction such as ``30000/1001``."""
Colour = Annotated[str | None, BeforeValidator(_read_colour)]
"""The name of a colour, ``#rrggbb`` or ``keep``."""
ReferenceFrame = Annotated[Literal["auto"] | int, BeforeValidator(_read_reference)]
"""``auto`` or the number of a driving frame, counted from 0."""


class AnimationSettings(Section):
    """How a source is animated and how the result is written.

    Strings are accepted for all fields, as they come from a row of a table.

    Example:
        >>> settings = AnimationSettings(crop="auto", paste_back="true", fps="29.97")
        >>> settings.paste_back, settings.fps
        (True, Fraction(2997, 100))
    """

    mode: Literal["standard", "relative", "avd"] = "relative"
    """How driving poses are transferred to the source, see `PoseTransfer`."""
    size: int | None = Field(default=None, ge=16, le=16_384)
    """Longer side of the output in pixels; None means that of the source, or of its part."""
    crop: Crop = "none"
    """Part of the source to animate. ``none`` is the whole picture, ``auto`` the part around the
    model's keypoints, and ``X,Y,W,H`` a rectangle in pixels of the upright picture."""
    driving_crop: Crop = "none"
    """The same for the driving frames; the part is the same in all of them."""
    mirror: bool = False
    """Whether the driving frames are mirrored, for objects that face opposite ways."""
    fit: Literal["crop", "pad"] = "crop"
    """How a part that is not square fits into the model's square. ``crop`` keeps the centred square
    of it, ``pad`` all of it, so that the output has the shape of the part."""
    paste_back: bool = False
    """Whether the output is the whole source picture with the animated part pasted into it."""
    background: Colour = None
    """Colour on which transparent parts of the source are put, or ``keep`` for a transparent
    output. None keeps transparency where the output format has it, and else means white."""
    reference_frame: ReferenceFrame = 0
    """In mode ``relative``, the driving frame whose pose corresponds to the source's, counted from
    0. ``auto`` chooses the frame whose pose has the nearest shape."""
    motion_scale: float = Field(default=1.0, ge=0, le=10)
    """Factor of the movements: below 1 weaker, above 1 stronger."""
    smooth: float = Field(default=0.0, ge=0, le=1)
    """How much the poses are smoothed over time, from 0 (not at all) to 1."""
    hull_scaling: bool | None = None
    """In mode ``relative``, whether movements are scaled to the size of the source's object; None
    means as the model was trained."""
    motion: Literal["model", "cpab"] = "model"
    """Motion model: the one that the model was trained with, or CPAB fits of its keypoints."""
    audio: Literal["copy", "none", "source"] = "copy"
    """Sound of the output: that of the driving video, none, or that of the source video."""
    fps: FrameRate = None
    """Constant frame rate of the output; None keeps the timestamps of the driving video."""
    quality: int | None = Field(default=None, ge=1, le=100)
    """Quality of the coding from 1 to 100; None means visually lossless."""
    codec: str | None = None
    """Name of the video encoder; None means the usual one of the format."""
    format: str | None = None
    """Format of the output; None means by the suffix of its name."""
    compare: bool = False
    """Whether the output shows source, driving frame and result side by side."""
    visualize: bool = False
    """Whether the output shows keypoints, flow, contribution maps and occlusion."""

    @model_validator(mode="after")
    def _exclude(self) -> Self:
        """Refuse settings that would have no effect, or that contradict each other."""
        if self.mode != "relative":
            _refuse("reference_frame", self.reference_frame != 0, self.mode)
            _refuse("hull_scaling", self.hull_scaling is not None, self.mode)
        if self.compare and self.visualize:
            raise ValueError("visualize: excludes compare; choose one of them")
        return self


def _refuse(field: str, is_set: bool, mode: str) -> None:
    if is_set:
        raise ValueError(f"{field}: has no effect in mode {mode}; leave it out or use relative")


class SettingError(ConfigError):
    """A setting is unknown or invalid, or excludes another one (exit code 4).

    Args:
        name: the setting.
        problem: what is wrong with it.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name, self.problem = name, problem


def read_settings(values: Mapping[str, object]) -> AnimationSettings:
    """Validate settings.

    Args:
        values: values by name; missing ones get their defaults.

    Raises:
        SettingError: a name is unknown, a value is invalid, or two values exclude each other.

    Example:
        >>> read_settings({"motion_scale": "1.5"}).motion_scale
        1.5
    """
    return validated(AnimationSettings, values)


def validated(kind: type[_S], values: Mapping[str, object]) -> _S:
    """Validate values as a section of this kind.

    Raises:
        SettingError: a name is unknown, a value is invalid, or two values exclude each other.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _first_problem(error, list(kind.model_fields)) from None


def _first_problem(error: ValidationError, known: list[str]) -> SettingError:
    problem = error.errors()[0]
    if not problem["loc"]:  # of the settings as a whole
        name, _, message = _expectation(problem["msg"]).partition(": ")
        return SettingError(name, message)
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return SettingError(
            shorten(name), "unknown" + (suggest(name, known) or f"; known: {', '.join(known)}")
        )
    message = _EXPECTED.get(problem["type"]) or _expectation(problem["msg"])
    return SettingError(name, f"{message}, got {shorten(repr(problem['input']))}")


def _expectation(message: str) -> str:
    """Turn pydantic's "Input should be ..." into "expected ..."."""
    return message.removeprefix("Value error, ").replace("Input should be ", "expected ", 1)
