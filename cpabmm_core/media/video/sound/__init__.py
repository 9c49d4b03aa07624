"""The sound of a written video: copied from another file, or encoded by a process of its own."""

from cpabmm_core.media.video.sound.report import SoundCallback, SoundReport
from cpabmm_core.media.video.sound.track import AudioTrack

__all__ = ["AudioTrack", "SoundCallback", "SoundReport"]
