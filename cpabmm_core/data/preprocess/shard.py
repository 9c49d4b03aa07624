"""A share of the videos for each of several machines."""

import hashlib
import re
from typing import NamedTuple, Self

from cpabmm_core.errors import ConfigError

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


class Shard(NamedTuple):
    """Number `number` of `total` shares, counted from 1.

    Which one a video belongs to depends on its name alone, so that machines need not agree on a
    list, and all frames of a video are decoded on one of them.

    Example:
        >>> sum(Shard(number, 3).contains("AAAAAAAAAAA") for number in (1, 2, 3))
        1
    """

    number: int = 1
    total: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """A shard as ``I/N`` says it.

        Raises:
            ConfigError: it is not of this form, or I is not one of 1 to N.
        """
        found = _SHARD.fullmatch(text)
        shard = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.total:
            raise ConfigError(f"shard {text!r}: expected I/N with I from 1 to N, such as 2/8")
        return shard

    def contains(self, video: str) -> bool:
        """Whether a video of this name belongs to it."""
        digest = hashlib.sha256(video.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8]) % self.total == self.number - 1

    @property
    def suffix(self) -> str:
        """What tells its files from those of the others; empty if it is the only one."""
        return "" if self.total == 1 else f"-{self.number}-of-{self.total}"
