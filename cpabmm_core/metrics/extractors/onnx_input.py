"""Conversion of frames to the input of a network in an ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import ConfigError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.json_text import read_json

Layout = Literal["nchw", "nhwc"]
Colour = Literal["rgb", "bgr"]
Resize = Literal["bilinear", "bicubic", "sampled"]

KEYS = ("size", "mean", "std", "layout", "colour", "range", "resize", "output")
"""Options of a name and of a side file; ``output`` is left to the session."""
_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_COLOURS = 3


@dataclass(frozen=True)
class InputSettings:
    """Steps from a frame to the network input, in order."""

    width: int
    """Width of the input in pixels."""
    height: int
    """Height of the input in pixels."""
    resize: Resize = "bilinear"
    """Interpolation: ``bilinear`` and ``bicubic`` are antialiased, in eight bits, like Pillow;
    ``sampled`` is bilinear without antialiasing, like OpenCV."""
    colour: Colour = "rgb"
    """Order of the colour channels."""
    range: Literal[1, 255] = 1
    """Value of white."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted value of each channel, in the order of `colour` and the units of `range`."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Divisor of each channel, likewise."""
    layout: Layout = "nchw"
    """Order of the dimensions."""

    def prepare(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (1, 3, height, width) or (1, height, width, 3)
        """Convert the whole frame, without keeping its aspect ratio."""
        image = self._resize_frame(frame)
        if self.colour == "bgr":
            image = image[..., ::-1]
        image = (image / (255 / self.range) - self.mean) / self.std
        if self.layout == "nchw":
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image[None])

    def _resize_frame(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
    ) -> NDArray[np.float64]:  # (height, width, 3) in [0, 255]
        if frame.shape[:2] == (self.height, self.width):
            return frame.astype(np.float64)
        if self.resize == "sampled":
            return _resample(_resample(frame, 0, self.height), 1, self.width)
        size = (self.width, self.height)
        image = Image.fromarray(np.ascontiguousarray(frame))
        return np.asarray(image.resize(size, _PILLOW[self.resize]), dtype=np.float64)

    def as_options(self) -> dict[str, str]:
        """Return the settings as options of a name."""
        return {
            "size": f"{self.width}x{self.height}",
            "mean": ",".join(map(str, self.mean)),
            "std": ",".join(map(str, self.std)),
            "layout": self.layout,
            "colour": self.colour,
            "range": str(self.range),
            "resize": self.resize,
        }


def read_options(path: Path, query: Mapping[str, str]) -> dict[str, str]:
    """Merge the options of the side file ``MODEL.json``, if any, with those of the name.

    Options of the name take precedence.

    Raises:
        ConfigError: the side file is not a JSON object of options.
    """
    side = path.with_suffix(".json")
    if not side.is_file():
        return dict(query)
    try:
        values = read_json(side.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{side}: not valid JSON ({one_line(error)}); give the options of {path.name}"
        ) from None
    if not isinstance(values, dict):
        raise ConfigError(f'{side}: not a JSON object; expected for example {{"size": 112}}')
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise ConfigError(f"{side}: unknown option {unknown[0]}; it takes {', '.join(KEYS)}")
    texts = {key: _to_text(side, key, value) for key, value in values.items()}
    return {**texts, **query}


def input_settings(
    name: str,
    shape: Sequence[object],  # 4 dimensions; not an int where one is dynamic
    options: Mapping[str, str],
) -> InputSettings:
    """Derive the settings from the options and, for omitted options, from the input's shape.

    Args:
        name: file name, for error messages.
        shape: shape of the network's input.
        options: values of `KEYS`.

    Raises:
        ConfigError: an option is invalid or contradicts the shape, or `size` is required.
    """
    if len(shape) != 4 or (isinstance(shape[0], int) and shape[0] != 1):
        raise ConfigError(
            f"{name}: its input is {_format_shape(shape)}, not one image; export it with a batch "
            "size of 1 or a dynamic one"
        )
    layout = _layout(name, shape, options)
    height, width = shape[2:] if layout == "nchw" else shape[1:3]
    width, height = _size(name, width, height, options)
    white = _choice(name, options, "range", ("1", "255"))
    std = _parse_three(name, options, "std", 1)
    if not all(value > 0 for value in std):
        raise ConfigError(f"{name}: std={options['std']}: expected positive numbers")
    return InputSettings(
        width,
        height,
        resize=cast("Resize", _choice(name, options, "resize", get_args(Resize))),
        colour=cast("Colour", _choice(name, options, "colour", get_args(Colour))),
        range=255 if white == "255" else 1,
        mean=_parse_three(name, options, "mean", 0),
        std=std,
        layout=layout,
    )


def _resample(
    image: NDArray[Any],  # (H, W, 3)
    axis: int,
    size: int,
) -> NDArray[np.float64]:
    """Interpolate linearly along an axis at the centres of `size` pixels, clamped at the border."""
    length = image.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * (length / size) - 0.5, 0, length - 1)
    lower = np.minimum(at.astype(np.intp), max(length - 2, 0))
    upper = np.minimum(lower + 1, length - 1)
    share = np.expand_dims(at - lower, tuple(other for other in range(3) if other != axis))
    sampled: NDArray[np.float64] = (
        image.take(lower, axis) * (1 - share) + image.take(upper, axis) * share
    )
    return sampled


def _layout(name: str, shape: Sequence[object], options: Mapping[str, str]) -> Layout:
    fits = {"nchw": shape[1], "nhwc": shape[3]}
    possible = [key for key, size in fits.items() if not isinstance(size, int) or size == _COLOURS]
    if not possible:
        raise ConfigError(f"{name}: its input is {_format_shape(shape)}, not an RGB image")
    certain = [key for key in possible if fits[key] == _COLOURS]
    return cast("Layout", _choice(name, options, "layout", certain or possible))


def _size(name: str, width: object, height: object, options: Mapping[str, str]) -> tuple[int, int]:
    fixed = [side if isinstance(side, int) else None for side in (width, height)]
    text = options.get("size")
    if text is None:
        if None in fixed:
            raise ConfigError(
                f"{name}: its input has no fixed size; give one: {name}?size=112 or size=WxH"
            )
        size = fixed
    else:
        parts = text.lower().split("x")
        sides = [int(part) if part.isascii() and part.isdigit() else 0 for part in parts]
        if len(sides) > 2 or not all(0 < side <= 4096 for side in sides):
            raise ConfigError(f"{name}: size={text}: expected a side or WxH in pixels, up to 4096")
        size = [sides[0], sides[-1]]
    for own, side in zip(fixed, size, strict=True):
        if own is not None and own != side:
            own_size = "x".join(str(side or "any") for side in fixed)
            raise ConfigError(f"{name}: size={text}: the network takes {own_size}; correct size")
    return cast("tuple[int, int]", tuple(size))


def _parse_three(
    name: str, options: Mapping[str, str], key: str, default: float
) -> tuple[float, float, float]:
    text = options.get(key, str(default))
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        values *= _COLOURS
    if len(values) != _COLOURS or not all(map(isfinite, values)):
        raise ConfigError(f"{name}: {key}={text}: expected one number, or three with commas")
    return values[0], values[1], values[2]


def _choice(name: str, options: Mapping[str, str], key: str, choices: Sequence[str]) -> str:
    """Return the option's value, or the first choice if omitted."""
    value = options.get(key, choices[0])
    if value not in choices:
        raise ConfigError(f"{name}: {key}={value}: expected {' or '.join(choices)}")
    return value


def _to_text(side: Path, key: str, value: object) -> str:
    """Convert a value of the side file to the text of an option."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float) for part in parts):
        raise ConfigError(f"{side}: {key}: expected a string, a number, or a list of numbers")
    return ",".join(map(str, parts))


def _format_shape(shape: Sequence[object]) -> str:
    return "x".join(str(side) if isinstance(side, int) else "?" for side in shape)
