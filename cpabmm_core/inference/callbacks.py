"""What an animation tells its caller while it runs."""

from collections.abc import Callable
from dataclasses import dataclass

from cpabmm_core.errors import CpabmmError
from cpabmm_core.files.display import ShowProgress, show_nothing
from cpabmm_core.media.video.sound import SoundCallback
from cpabmm_core.progress import StatusCallback


@dataclass(frozen=True)
class AnimationCallbacks:
    """What an animation tells its caller; nothing by default.

    Example:
        >>> callbacks = AnimationCallbacks(report=print)
        >>> callbacks.report("face.png: cropped to 10,0,80,80")
        face.png: cropped to 10,0,80,80
    """

    report: StatusCallback = lambda _: None
    """Called with each message, which is one line."""
    warn: Callable[[CpabmmError], None] = lambda _: None
    """Called with each warning: an error that nobody raises, whose cure a caller may phrase."""
    on_sound: SoundCallback = lambda _: None
    """Called when it is known what becomes of the sound, and again if that changes."""
    show: ShowProgress = show_nothing
    """Called with the name of each stage; its context lasts as long as the stage."""
    stop: Callable[[], object] = lambda: None
    """Called before each driving frame; a true value ends the animation after the one before."""
