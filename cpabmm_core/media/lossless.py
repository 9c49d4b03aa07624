"""Detection of clips that are stored without loss."""

from pathlib import Path

from cpabmm_core.media.suffixes import IMAGE_SUFFIXES
from cpabmm_core.media.video.opening import open_input, video_stream

_LOSSLESS_IMAGES = (".png", ".bmp", ".tif", ".tiff")
_LOSSLESS_CODECS = frozenset(
    {"apng", "ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "qtrle", "rawvideo", "utvideo"}
)


def is_lossless(clip: Path) -> bool:
    """Return whether a clip stores its pixels exactly.

    The codec decides for a video, the suffix for an image, and the suffixes of its images for a
    folder, where one lossless image is enough. A GIF counts as lossy because of its few colours.

    Raises:
        MediaError: a video is missing or cannot be read.

    Example:
        >>> is_lossless(Path("strip.png")), is_lossless(Path("strip.jpg"))
        (True, False)
    """
    if clip.is_dir():
        suffixes = {entry.suffix.lower() for entry in clip.iterdir()}
        return bool(suffixes & {*_LOSSLESS_IMAGES})
    if clip.suffix.lower() in IMAGE_SUFFIXES:
        return clip.suffix.lower() in _LOSSLESS_IMAGES
    with open_input(clip) as container:
        return video_stream(container, clip).codec_context.name in _LOSSLESS_CODECS
