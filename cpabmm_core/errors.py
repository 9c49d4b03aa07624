"""The one family of errors that the core raises.

Each message is one line that names the file or setting, the trouble and the cure; the command line
prints it and turns the class into an exit code.
"""


class CpabmmError(Exception):
    """Base of every error that the core raises on purpose (exit code 1)."""


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

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


class TrainingError(CpabmmError):
    """Training cannot go on, for instance because a loss is not finite (exit code 1)."""
