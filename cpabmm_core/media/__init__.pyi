"""The public interface for images, videos and clips."""

from .clip_listing import list_clips as list_clips
from .clips import Clip as Clip
from .clips import open_clip as open_clip
from .frame_folder import FrameFolderWriter as FrameFolderWriter
from .frame_folder import create_frame_folder as create_frame_folder
from .framing import square_frame as square_frame
from .image import read_image as read_image
from .image import write_image as write_image
from .lossless import is_lossless as is_lossless
from .output_target import OUTPUT_FORMATS as OUTPUT_FORMATS
from .output_target import OutputTarget as OutputTarget
from .output_target import output_target as output_target
from .suffixes import IMAGE_OUTPUT_SUFFIXES as IMAGE_OUTPUT_SUFFIXES
from .suffixes import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from .suffixes import VIDEO_SUFFIXES as VIDEO_SUFFIXES
from .timed_frames import clips_by_name as clips_by_name
from .timed_frames import open_frames as open_frames
from .video import VIDEO_OUTPUT_SUFFIXES as VIDEO_OUTPUT_SUFFIXES
from .video import FrameIndex as FrameIndex
from .video import SoundReport as SoundReport
from .video import VideoFrame as VideoFrame
from .video import VideoReader as VideoReader
from .video import VideoWriter as VideoWriter
from .video import constant_rate as constant_rate
from .video import read_source as read_source
