"""Decoding of HEIF pictures (HEIC) with pillow-heif, an optional dependency.

The decoder applies the rotation and the crop that the container states, so those of EXIF are not
applied again. The primary picture is read; gain maps, depth and other auxiliary pictures are not.
"""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.pictures.coded_colour import CodedColour, colour_managed
from cpabmm_core.media.pictures.limits import FULL_SIZE_PIXELS, check_size, reduced, reduction
from cpabmm_core.media.pictures.picture import Picture
from cpabmm_core.media.pictures.quiet import quiet
from cpabmm_core.media.pictures.samples import to_8_bits


def read_heif(path: Path) -> Picture:
    """Decode the primary picture of a HEIF file.

    Raises:
        MediaError: pillow-heif is not installed, or the picture is too large.
        Exception: whatever pillow-heif raises for a damaged file.
    """
    try:
        import pillow_heif
    except ImportError:
        raise MediaError(
            f"{path}: is a HEIF picture, which needs pillow-heif; pip install 'cpabmm[heif]', or "
            "convert the picture to JPEG"
        ) from None
    data = path.read_bytes()
    with quiet():
        image = _primary(pillow_heif.open_heif(data, convert_hdr_to_8bit=False))
        check_size(path, image.size, "HEIF")
        if image.size[0] * image.size[1] > FULL_SIZE_PIXELS:
            image = _primary(pillow_heif.open_heif(data, convert_hdr_to_8bit=True))
        pixels = np.asarray(image)
    colour = _coded_colour(image.info)
    profile = image.info.get("icc_profile")
    if not profile and colour is not None:
        profile = colour.profile
        pixels = colour_managed(pixels, colour) if colour.is_hdr else pixels
    shown = Image.fromarray(to_8_bits(pixels))
    if "a" in image.mode.split(";")[0]:
        shown = _unassociated(shown)
    return Picture(reduced(shown, reduction(shown.size)), profile, 1, shown.size)


def _primary(container: Any) -> Any:  # noqa: ANN401 - pillow-heif has no types for it
    return container[container.primary_index]


def _coded_colour(info: dict[str, Any]) -> CodedColour | None:
    coded = info.get("nclx_profile")
    if not coded:
        return None
    return CodedColour(int(coded["color_primaries"]), int(coded["transfer_characteristics"]))


def _unassociated(image: Image.Image) -> Image.Image:
    """Divide colours by the alpha that they were multiplied with."""
    grey = image.mode == "LA"
    premultiplied = Image.frombytes("RGBa", image.size, image.convert("RGBA").tobytes())
    return premultiplied.convert("RGBA").convert("LA" if grey else "RGBA")
