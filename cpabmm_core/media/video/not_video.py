"""Recognition of files that are no video, from their first bytes."""

import re

_GIVE_VIDEO = "give a video file"
_PLAYLIST = ("is a playlist, which only names other files", "give the video itself")
_STREAM = ("describes a stream on the network", "record it to a file and give that")
_ARCHIVE = ("is an archive", "unpack it and give the video in it")

_BYTE_ORDER_MARK = rb"(?:\xef\xbb\xbf)?\s*"
_SIGNATURES: tuple[tuple[bytes, tuple[str, str]], ...] = (
    (_BYTE_ORDER_MARK + rb"(?:#EXTM3U|ffconcat|\[playlist\]|\[Reference\])", _PLAYLIST),
    (_BYTE_ORDER_MARK + rb"(?:<\?xml.{0,400}?)?<(?:asx|MPD|smil|\?wpl|playlist)\b", _PLAYLIST),
    (_BYTE_ORDER_MARK + rb"v=0\r?\n(?:[a-z]=[^\n]*\n)*", _STREAM),
    (_BYTE_ORDER_MARK + rb"(?:rtsp|rtmp|mms|https?|udp|rtp|srt)://\S+\s*$", _STREAM),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf\x27\x1c|Rar!|\xfd7zXZ\x00|BZh[1-9]", _ARCHIVE),
    (rb"MThd", ("is MIDI music without a picture", _GIVE_VIDEO)),
    (rb"\x7fELF|MZ", ("is a program", _GIVE_VIDEO)),
)
_PATTERNS = [(re.compile(start, re.IGNORECASE | re.DOTALL), what) for start, what in _SIGNATURES]

# The formats whose files can consist of printable characters throughout.
_TEXTUAL_VIDEO = re.compile(rb"YUV4MPEG2 |P[1-3]\s")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Bell, escape and the like occur in text for terminals; other control characters do not.
_NOT_IN_TEXT = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")


def describe_no_video(head: bytes) -> tuple[str, str] | None:
    """Recognise content that is certainly no video, such as a playlist or a text.

    FFmpeg has readers for some of them, which would open what the file names, or render the text.

    Args:
        head: the first bytes of the file; a few hundred suffice.

    Returns:
        The trouble and its cure, or None if the file may be a video.
    """
    for pattern, what in _PATTERNS:
        if pattern.match(head):
            return what
    if _is_text(head):
        return "is a text file", _GIVE_VIDEO
    return None


def _is_text(head: bytes) -> bool:
    if _TEXTUAL_VIDEO.match(head):
        return False
    if head.startswith(_UTF_16):
        return _NOT_IN_TEXT.search(head[2:].replace(b"\0", b"")) is None
    return _NOT_IN_TEXT.search(head) is None
