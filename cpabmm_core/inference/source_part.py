"""The part of the source that is animated: cut out, encoded, and put into the output."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor

from cpabmm_core.arrays import Frame
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.paste import paste_back
from cpabmm_core.inference.regions import Framing
from cpabmm_core.inference.transparency import WHITE, Colour, on_matte

_EIGHT_BITS = 255


@dataclass(frozen=True)
class SourcePart:
    """How frames of the source become squares that the model sees, and results become output.

    Attributes:
        framing: the square of the source and the part of it that the output shows.
        side: side of the rendered square in pixels.
        width: width of the output.
        height: height of the output.
        matte: the colour on which transparent parts are put for the networks.
        keeps_alpha: whether the output is transparent where the source is.
        pastes: whether the output is the whole source with the part pasted into it.
    """

    framing: Framing
    side: int
    width: int
    height: int
    matte: Colour
    keeps_alpha: bool
    pastes: bool
