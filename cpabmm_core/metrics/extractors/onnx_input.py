"""How a frame becomes the input of a network in an ONNX file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import ConfigError

Layout = Literal["nchw", "nhwc"]
Colour = Literal["rgb", "bgr"]
Resize = Literal["bilinear", "bicubic", "sampled"]

KEYS = ("size", "mean", "std", "layout", "colour", "range", "resize", "output")
"""Options in a name's query and in a side file; `output` is the session's affair."""
_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_COLOURS = 3


@dataclass(frozen=True)
class InputSettings:
    """The steps from a frame to the input, in their order."""

    width: int
    height: int
    resize: Resize = "bilinear"
    """``bilinear`` and ``bicubic`` are antialiased, in eight bits, as Pillow does it; ``sampled``
    is bilinear without antialiasing, as OpenCV does it."""
    colour: Colour = "rgb"
    range: Literal[1, 255] = 1
    """What white becomes."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted, in the order of `colour` and the units of `range`."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Divided by, likewise."""
    layout: Layout = "nchw"

    def prepare(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (1, 3, height, width) or (1, height, width, 3)
        """The network's input for the whole frame, squeezed where its shape differs."""
        image = self._resized(frame)
        if self.colour == "bgr":
            image = image[..., ::-1]
        image = (image / (255 / self.range) - self.mean) / self.std
        if self.layout == "nchw":
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image[None])

    def _resized(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
    ) -> NDArray[np.float64]:  # (height, width, 3) in [0, 255]
        if frame.shape[:2] == (self.height, self.width):
            return frame.astype(np.float64)
        if self.resize == "sampled":
            return _sampled(_sampled(frame, 0, self.height), 1, self.width)
        size = (self.width, self.height)
        image = Image.fromarray(np.ascontiguousarray(frame))
        return np.asarray(image.resize(size, _PILLOW[self.resize]), dtype=np.float64)

    def as_options(self) -> dict[str, str]:
        """The settings as they would be written in a query."""
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
    """Options of the side file ``MODEL.json``, if there is one; those of the query come first.

    Raises:
        ConfigError: the side file is no JSON object of options.
    """
    side = path.with_suffix(".json")
    if not side.is_file():
        return dict(query)
    try:
        values = json.loads(side.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise ConfigError(f"{side}: not valid JSON; write the options of {path.name}") from None
    if not isinstance(values, dict):
        raise ConfigError(f'{side}: holds no object; write {{"size": 112}} or the like')
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise ConfigError(f"{side}: unknown option {unknown[0]}; it takes {', '.join(KEYS)}")
    texts = {key: _text(side, key, value) for key, value in values.items()}
    return {**texts, **query}


def input_settings(
    name: str,
    shape: Sequence[object],  # of 4: numbers, or anything else where a side is not fixed
    options: Mapping[str, str],
) -> InputSettings:
    """Settings from the options and, where they leave something open, from the input's shape.

    Args:
        name: of the file, for errors.
        shape: of the network's input.
        options: see `KEYS`.

    Raises:
        ConfigError: an option is wrong or contradicts the shape, or `size` is needed and missing.
    """
    if len(shape) != 4 or (isinstance(shape[0], int) and shape[0] != 1):
        raise ConfigError(
            f"{name}: its input is {_written(shape)}, not one picture; export it with an input of "
            "1 or any number of pictures"
        )
    layout = _layout(name, shape, options)
    height, width = shape[2:] if layout == "nchw" else shape[1:3]
    width, height = _size(name, width, height, options)
    white = _choice(name, options, "range", ("1", "255"))
    std = _three(name, options, "std", 1)
    if not all(value > 0 for value in std):
        raise ConfigError(f"{name}: std={options['std']}: give numbers above 0")
    return InputSettings(
        width,
        height,
        resize=cast("Resize", _choice(name, options, "resize", get_args(Resize))),
        colour=cast("Colour", _choice(name, options, "colour", get_args(Colour))),
        range=255 if white == "255" else 1,
        mean=_three(name, options, "mean", 0),
        std=std,
        layout=layout,
    )


def _sampled(
    image: NDArray[Any],  # (H, W, 3)
    axis: int,
    size: int,
) -> NDArray[np.float64]:
    """Linear interpolation along an axis at the centres of `size` pixels; borders are repeated."""
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
        raise ConfigError(f"{name}: its input is {_written(shape)}, not a picture of three colours")
    certain = [key for key in possible if fits[key] == _COLOURS]
    return cast("Layout", _choice(name, options, "layout", certain or possible))


def _size(name: str, width: object, height: object, options: Mapping[str, str]) -> tuple[int, int]:
    fixed = [side if isinstance(side, int) else None for side in (width, height)]
    text = options.get("size")
    if text is None:
        if None in fixed:
            raise ConfigError(
                f"{name}: takes pictures of any size; say which: {name}?size=112 or size=WxH"
            )
        asked = fixed
    else:
        parts = text.lower().split("x")
        sides = [int(part) if part.isascii() and part.isdigit() else 0 for part in parts]
        if len(sides) > 2 or not all(0 < side <= 4096 for side in sides):
            raise ConfigError(f"{name}: size={text}: give a side or WxH in pixels, up to 4096")
        asked = [sides[0], sides[-1]]
    for own, side in zip(fixed, asked, strict=True):
        if own is not None and own != side:
            own_size = "x".join(str(side or "any") for side in fixed)
            raise ConfigError(f"{name}: size={text}: it takes {own_size}; correct size")
    return cast("tuple[int, int]", tuple(asked))


def _three(
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
        raise ConfigError(f"{name}: {key}={text}: give one number, or three with commas")
    return values[0], values[1], values[2]


def _choice(name: str, options: Mapping[str, str], key: str, choices: Sequence[str]) -> str:
    """The option's value; the first choice where there is none."""
    value = options.get(key, choices[0])
    if value not in choices:
        raise ConfigError(f"{name}: {key}={value}: give {' or '.join(choices)}")
    return value


def _text(side: Path, key: str, value: object) -> str:
    """A value of the side file as it would be written in a query."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float) for part in parts):
        raise ConfigError(f"{side}: {key}: give a text, a number, or a list of numbers")
    return ",".join(map(str, parts))


def _written(shape: Sequence[object]) -> str:
    return "x".join(str(side) if isinstance(side, int) else "?" for side in shape)
