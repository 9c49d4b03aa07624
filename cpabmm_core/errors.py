"""The family of errors that the core raises.

Each message is one line: the file or setting, the trouble, then the cure. Cures are phrased for
callers of the Python interface. An error may also carry a `Remedy`, which lets other callers, such
as the command line, phrase the cure in their own terms.
"""

from enum import Enum, auto


class Remedy(Enum):
    """The cure for an error, independent of how a caller offers it."""

    OVERWRITE = auto()
    """Allow existing output to be replaced."""
    OVERWRITE_OR_SKIP = auto()
    """Allow existing output to be replaced, or leave out what exists."""
    RESUME = auto()
    """Resume the run in that folder."""
    CHOOSE_DEVICE = auto()
    """Choose another device."""
    LIST_CHECKPOINTS = auto()
    """Look up the names of the bundled and published checkpoints."""
    CONVERT = auto()
    """Convert a published checkpoint to the format of cpabmm."""
    TRAIN_AVD = auto()
    """Train the network of the mode ``avd``."""
    DOWNLOAD = auto()
    """Allow missing videos to be downloaded."""
    WHOLE_VIDEOS = auto()
    """Do not split videos into scenes."""
    GIVE_CONFIG = auto()
    """Pass the configuration of the model, which the file does not state."""
    FIT_TRANSFORMATIONS = auto()
    """Provide a document of fitted transformations."""
    CHOOSE_REFERENCE = auto()
    """Use the driving frame whose pose is nearest to the source's."""
    MIRROR = auto()
    """Mirror the driving frames, so that the object faces the same way as the source's."""
    CHOOSE_POSE = auto()
    """Use a source and a driving video whose poses are similar."""


class CpabmmError(Exception):
    """Base class of every error that the core raises on purpose (exit code 1).

    Args:
        trouble: the file or setting, and what is wrong with it; or the complete message.
        cure: what to do about it, in terms of the Python interface.
        remedy: the cure for callers that phrase it themselves.

    Example:
        >>> error = CpabmmError("a.mp4: already exists", "pass force=True", remedy=Remedy.OVERWRITE)
        >>> str(error)
        'a.mp4: already exists; pass force=True'
    """

    def __init__(
        self, trouble: str = "", cure: str | None = None, *, remedy: Remedy | None = None
    ) -> None:
        super().__init__(trouble if cure is None else f"{trouble}; {cure}")
        self.trouble, self.cure, self.remedy = trouble, cure, remedy


class ConfigError(CpabmmError):
    """A configuration file, key or value is wrong (exit code 4)."""


class CheckpointError(CpabmmError):
    """A checkpoint or a file of weights cannot be read or written (exit code 4)."""


class MediaError(CpabmmError):
    """An image or a video cannot be read or written (exit code 3)."""


class InputLost(MediaError):
    """A pipe or a camera ended too early, and cannot be read again (exit code 3).

    All frames before that were delivered, so a caller may finish its output before it raises this.
    """


class OutputExistsError(MediaError):
    """The output already exists, and overwriting was not requested (exit code 3)."""


class OutputClosedError(CpabmmError):
    """Whoever read the output has gone away, no fault and without a message (exit code 141)."""


class DataError(CpabmmError):
    """A data set or a file of numbers is missing, empty or malformed (exit code 3)."""


class ShapeError(DataError, ValueError):
    """An array does not have the expected shape (exit code 3)."""


class DownloadError(CpabmmError):
    """A file cannot be downloaded (exit code 1)."""


class ResourceError(CpabmmError):
    """Memory or disk space is exhausted, or a device is missing (exit code 5)."""


class TrainingStopped(CpabmmError):
    """Training stopped in an orderly way on request (exit code 128 + signal).

    Args:
        trouble: what happened.
        cure: how to continue.
        signal: number of the signal that requested the stop.
        remedy: the cure for callers that phrase it themselves.
    """

    def __init__(
        self, trouble: str, cure: str | None = None, *, signal: int, remedy: Remedy | None = None
    ) -> None:
        super().__init__(trouble, cure, remedy=remedy)
        self.signal = signal


class TrainingError(CpabmmError):
    """Training cannot continue, for instance because a loss is not finite (exit code 1)."""
