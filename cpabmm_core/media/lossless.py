"""Detection of clips that are stored without loss."""

import warnings
from pathlib import Path

from PIL import Image, TiffImagePlugin

from cpabmm_core.media.content import is_still
from cpabmm_core.media.folder_entries import is_image_file
from cpabmm_core.media.video.opening import open_input, video_stream

_LOSSLESS_IMAGES = ("PNG", "BMP", "TIFF", "PPM")
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
        with path.open("rb") as file:
            if file.read(16)[12:] == _LOSSLESS_WEBP:
                return True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_LOSSLESS_IMAGES) as image:
                return not (
                    isinstance(image, TiffImagePlugin.TiffImageFile)
                    and image.info.get("compression") in _LOSSY_TIFF
                )
    except Exception:  # of another format, or damaged, which the reader reports
        return False
