"""Reading and writing videos as frames with timestamps."""

from cpabmm_core.media.video.formats import VIDEO_OUTPUT_SUFFIXES, video_format
from cpabmm_core.media.video.frame_index import FrameIndex
from cpabmm_core.media.video.reader import VideoReader
from cpabmm_core.media.video.resampling import constant_rate
from cpabmm_core.media.video.sound import SoundReport
from cpabmm_core.media.video.source import read_source
from cpabmm_core.media.video.video_frame import VideoFrame
from cpabmm_core.media.video.writer import VideoWriter

__all__ = [
    "VIDEO_OUTPUT_SUFFIXES",
    "FrameIndex",
    "SoundReport",
    "VideoFrame",
    "VideoReader",
    "VideoWriter",
    "constant_rate",
    "read_source",
    "video_format",
]
