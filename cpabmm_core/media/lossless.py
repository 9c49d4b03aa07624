"""Detection of clips that are stored without loss."""

from pathlib import Path

from PIL.TiffImagePlugin import TiffImageFile

from cpabmm_core.files.checks import require_file
from cpabmm_core.media.content import is_still
from cpabmm_core.media.folder_entries import is_image_file
from cpabmm_core.media.pictures import picture_format
from cpabmm_core.media.pictures.quiet import quiet
from cpabmm_core.media.video.opening import open_input, video_stream

_LOSSLESS_IMAGES = ("PNG", "BMP", "PPM")
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")
_LOSSLESS_WEBP = b"VP8L"
_LOSSLESS_CODECS = frozenset(
    {"apng", "ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "qtrle", "rawvideo", "utvideo"}
)


def is_lossless(clip: Path) -> bool:
    """Return whether a clip stores its pixels exactly.

    The codec decides for a video, the format of the content for an image, and its images for a
    folder, where one lossless image is enough. A GIF counts as lossy because of its few colours.

    Raises:
        MediaError: a video is missing or cannot be read.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("strip.png", "strip.jpg"):
        ...         write_image(f"{folder}/{name}", np.zeros((8, 16, 3), dtype=np.uint8))
        ...         is_lossless(Path(folder, name))
        True
        False
    """
    if clip.is_dir():
        return any(_is_lossless_image(path) for path in clip.iterdir() if is_image_file(path))
    if is_still(clip):
        return _is_lossless_image(clip)
    with open_input(clip) as container:
        return video_stream(container, clip).codec_context.name in _LOSSLESS_CODECS


def _is_lossless_image(path: Path) -> bool:
    try:
        head = require_file(path)
        kind = picture_format(head)
        if kind == "WEBP":
            return head[12:16] == _LOSSLESS_WEBP
        if kind != "TIFF":
            return kind in _LOSSLESS_IMAGES
        with quiet(), path.open("rb") as file:
            return TiffImageFile(file).info.get("compression") not in _LOSSY_TIFF
    except Exception:  # the image is damaged, which its reader reports
        return False
