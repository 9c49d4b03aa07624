"""The base class of all sections, and the numeric ranges that several of them use."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
FrameSize = Annotated[int, Field(gt=0, le=16_384)]
Levels = Annotated[int, Field(gt=0, le=14)]
"""Number of times that a network halves its input: the largest frame has 2^14 pixels a side."""
Scale = Annotated[float, Field(ge=2**-14, le=1)]
"""Scale of the input of a network, relative to the frame."""
Channels = Annotated[int, Field(gt=0, le=65_536)]
Count = Annotated[int, Field(gt=0, le=10_000)]
"""Number of keypoints or of groups of them."""
NonNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A frozen section that rejects unknown keys. The docstrings of its fields describe them."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
