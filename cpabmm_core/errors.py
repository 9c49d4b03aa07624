"""The one family of errors that the core raises.

Each message is one line: the file or setting, the trouble, then the cure. A cure is phrased for
callers of the Python interface. Where the command line has another way, the error also names the
remedy, so that the caller can phrase the cure in its own terms.
"""

from enum import Enum, auto


class Remedy(Enum):
    """What would help, independent of how the caller offers it."""

    OVERWRITE = auto()
    """Allow existing output to be replaced."""
    RESUME = auto()
    """Resume the run in that folder."""
    CHOOSE_DEVICE = auto()
    """Choose another device."""
    LIST_CHECKPOINTS = auto()
    """Look up the names of the published checkpoints."""
    CONVERT = auto()
    """Convert a published checkpoint to our format."""
    TRAIN_AVD = auto()
    """Train the network of the mode ``avd``."""
    DOWNLOAD = auto()
    """Allow missing videos to be downloaded."""
    WHOLE_VIDEOS = auto()
    """Do not split videos into scenes."""
    FIT_TRANSFORMATIONS = auto()
    """Give a document that a fit has written."""


class CpabmmError(Exception):
    """Base class of every error that the core raises on purpose (exit code 1).

    Args:
        trouble: the file or setting, and what is wrong with it; or the whole message.
        cure: what to do about it, in terms of the Python interface.
        remedy: the same for callers that phrase the cure themselves.
    """

    def __init__(
        self, trouble: str = "", cure: str | None = None, *, remedy: Remedy | None = None
    ) -> None:
        super().__init__(trouble if cure is None else f"{trouble}; {cure}")
        self.trouble, self.cure, self.remedy = trouble, cure, remedy


class ConfigError(CpabmmError):
    """A configuration file, key or value is wrong (exit code 4)."""


class CheckpointError(CpabmmError):
    """A checkpoint cannot be read, or is not what it claims to be (exit code 4)."""


class MediaError(CpabmmError):
    """An image or a video cannot be read or written (exit code 3)."""


class OutputExistsError(MediaError):
    """The output is there already and overwriting was not asked for (exit code 3)."""


class DataError(CpabmmError):
    """A data set or a file of numbers is missing, empty or malformed (exit code 3)."""


class ShapeError(DataError, ValueError):
    """An array is not of the shape that is expected (exit code 3); a `ValueError` too."""


class ResourceError(CpabmmError):
    """Memory, disk or a device ran out or is missing (exit code 5)."""


class TrainingStopped(CpabmmError):
    """Training was asked to stop, and did so in good order (exit code 128 + signal)."""

    def __init__(
        self, trouble: str, cure: str | None = None, *, signal: int, remedy: Remedy | None = None
    ) -> None:
        super().__init__(trouble, cure, remedy=remedy)
        self.signal = signal


class TrainingError(CpabmmError):
    """Training cannot go on, for instance because a loss is not finite (exit code 1)."""
