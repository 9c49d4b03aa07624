"""Distribution of videos over several machines."""

import hashlib
import re
from typing import NamedTuple, Self

from cpabmm_core.errors import ConfigError

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


class Shard(NamedTuple):
    """Part `number` of `total` parts of the videos, counted from 1.

    A hash of its name assigns each video to a shard. Machines therefore need no common list.

    Example:
        >>> from cpabmm_core.data.preprocess import Shard
        >>> sum(Shard(number, 3).contains("AAAAAAAAAAA") for number in (1, 2, 3))
        1
    """

    number: int = 1
    total: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a shard written as ``I/N``.

        Raises:
            ConfigError: the text does not have this form, or I is not in 1 to N.
        """
        found = _SHARD.fullmatch(text)
        shard = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.total:
            raise ConfigError(f"shard {text!r}: expected I/N with I from 1 to N, such as 2/8")
        return shard

    def contains(self, video: str) -> bool:
        """Return whether the video of this name belongs to the shard."""
        digest = hashlib.sha256(video.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8]) % self.total == self.number - 1

    @property
    def suffix(self) -> str:
        """The suffix of the shard's own files; empty if it is the only shard."""
        return "" if self.total == 1 else f"-{self.number}-of-{self.total}"
