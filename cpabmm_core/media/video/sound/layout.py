"""Safe access to the channel layout of sound."""

import ctypes

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

AMBISONIC = "ambisonic"
"""Start of FFmpeg's names of layouts whose channels are no loudspeakers."""
_LISTED_ORDER = "("
"""In FFmpeg's names of layouts, this starts a list of channels in an unusual order."""


def layout_name(owner: AudioCodecContext | AudioFrame) -> str:
    """Return FFmpeg's name of a channel layout, such as ``stereo`` or ``2 channels (FR+FL)``.

    PyAV copies the layout without its list of channels. If there is one, both the owner and the
    copy free it (PyAV#2284), which ends the process. The copy therefore stays alive for ever.
    Never read the attribute ``layout`` of sound from a file in any other way.
    """
    layout = owner.layout
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout.name


def has_unusual_order(name: str) -> bool:
    """Return whether the order of the channels is one that few containers can express.

    Example:
        >>> has_unusual_order("5.1"), has_unusual_order("3 channels (FC+FL+FR)")
        (False, True)
    """
    return _LISTED_ORDER in name or name.startswith(AMBISONIC)
