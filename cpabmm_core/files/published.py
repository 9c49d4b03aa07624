"""Description of a file that somebody has published."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """A file on the internet: its location, size, digest and licence."""

    name: str
    """Name of the file, both in the source and on disk."""
    source: str | None = None
    """URL of the file or Hugging Face repository that holds it; None if no direct link exists."""
    megabytes: int
    """Size in millions of bytes."""
    sha256: str = ""
    """SHA-256 digest in hexadecimal, or its beginning; empty if the publisher states none."""
    licence: str | None = None
    """Licence of the file; None if it is unknown."""

    @property
    def is_on_hub(self) -> bool:
        """Whether `source` is a Hugging Face repository."""
        return self.source is not None and "://" not in self.source
