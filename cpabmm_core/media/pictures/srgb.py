"""Conversion of colour profiles to sRGB with LittleCMS.

The intent is relative colorimetric with black point compensation, as in common viewers. A profile
that is malformed, or does not fit the pixels, changes nothing.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_GREY_MODES = ("1", "L", "LA")
_SAME = 2
_LONGEST_PROFILE = 4 << 20


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an image to sRGB; transparency stays.

    Args:
        image: of mode 1, L, LA, P, PA, RGB, RGBA, CMYK or LAB.
        profile: ICC profile; None means sRGB, or for CMYK and Lab their usual formulas.

    Returns:
        The image itself if nothing is to be converted, else one of mode RGB or RGBA.
    """
    if image.mode == "LAB" and profile is None:
        return _converted(image, _lab_transform())
    if profile is None or len(profile) > _LONGEST_PROFILE:
        return image
    mode = _profile_mode(profile)
    if mode is None or not _fits(image, mode):
        return image
    transform = _transform(profile, mode)
    return image if transform is None else _converted(_in_mode(image, mode), transform)


def _fits(image: Image.Image, mode: str) -> bool:
    if mode in ("CMYK", "LAB"):
        return image.mode == mode
    return image.mode in _GREY_MODES if mode == "L" else image.mode not in ("CMYK", "LAB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.has_transparency_data:
        return image.convert("LA" if mode == "L" else "RGBA")
    return image.convert(mode)


def _converted(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    alpha = image.getchannel("A") if "A" in image.getbands() and image.mode != "LAB" else None
    colour = image if alpha is None else image.convert("L" if image.mode == "LA" else "RGB")
    shown = transform.apply(colour)
    if alpha is not None:
        shown.putalpha(alpha)
    return shown


@lru_cache(maxsize=8)
def _profile_mode(profile: bytes) -> str | None:
    """Return the mode of the pixels that a profile describes; None for a malformed one."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return _MODES.get(opened.profile.xcolor_space.strip())
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion to sRGB; None if it is not needed, or the profile is malformed."""
    try:
        transform = _build(ImageCms.ImageCmsProfile(io.BytesIO(profile)), mode)
        probe = _probe(mode)
        shown = transform.apply(probe)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None
    if mode in ("RGB", "L"):
        change = np.asarray(shown, dtype=int) - np.asarray(probe.convert("RGB"), dtype=int)
        if np.abs(change).max() <= _SAME:
            return None
    return transform


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return _build(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")


def _build(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.ImageCmsTransform(
        profile,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _probe(mode: str) -> Image.Image:
    """Return an image with colours from the whole range of a mode."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    return Image.fromarray(grid).convert("RGB") if mode == "RGB" else Image.new(mode, (4, 4))
