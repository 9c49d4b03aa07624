"""Whether a clip is stored without loss."""

from pathlib import Path

from cpabmm_core.media.image import IMAGE_SUFFIXES
from cpabmm_core.media.video.decoding import open_input, video_stream

_LOSSLESS_IMAGES = (".png", ".bmp", ".tif", ".tiff")
_LOSSLESS_CODECS = frozenset(
    {"apng", "ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "qtrle", "rawvideo", "utvideo"}
)


def is_lossless(clip: Path) -> bool:
    """Whether the pixels of a video, GIF, image or folder of frames are what was written.

    Told by the codec of a video, and by the suffix of an image, which for a folder is any one of
    its images. A GIF counts as lossy, for its few colours.

    Raises:
        MediaError: a video is missing or cannot be read.
    """
    if clip.is_dir():
        suffixes = {entry.suffix.lower() for entry in clip.iterdir()}
        return bool(suffixes & {*_LOSSLESS_IMAGES})
    if clip.suffix.lower() in IMAGE_SUFFIXES:
        return clip.suffix.lower() in _LOSSLESS_IMAGES
    with open_input(clip) as container:
        return video_stream(container, clip).codec_context.name in _LOSSLESS_CODECS
