"""The check of `media.video.integrity` for bytes that pass by."""

from cpabmm_core.media.video.structure_cursor import Walk


class StructureCheck:
    """Follows the structure of a video while its bytes are read.

    Args:
        walk: the walk through its format, from the start.
    """

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._wanted = next(walk)
        self._collected = bytearray()
        self._size = 0
        self._is_over = False
        self._end: int | None = 0
        self.is_damaged = False
        """Whether the parts so far are inconsistent."""

    def feed(self, data: bytes) -> bytes:
        """Follow the next bytes, and return those before the first damage."""
        if self.is_damaged:
            return b""
        self._size += len(data)
        position = 0
        while position < len(data) and not self._is_over:
            if self._wanted < 0:
                passed = min(-self._wanted, len(data) - position)
                position, self._wanted = position + passed, self._wanted + passed
                if not self._wanted:
                    self._advance(b"")
                continue
            piece = data[position : position + self._wanted - len(self._collected)]
            position += len(piece)
            self._collected += piece
            if len(self._collected) == self._wanted:
                self._advance(bytes(self._collected))
        if self._is_over and self._end is None:
            self.is_damaged = True
            return data[:position]
        return data

    def is_complete(self) -> bool:
        """Return whether all that the structure announces has come. Nothing follows after this."""
        while not self._is_over:
            self._advance(bytes(self._collected) if self._wanted > 0 else b"")
        return self._end is not None and self._end <= self._size

    def _advance(self, answer: bytes) -> None:
        self._collected.clear()
        try:
            self._wanted = self._walk.send(answer)
        except StopIteration as stop:
            self._is_over, self._end = True, stop.value
