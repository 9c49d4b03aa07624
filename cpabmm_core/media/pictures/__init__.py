"""Decoding of picture files, one format a file, and the conversions that all formats share."""

from cpabmm_core.media.pictures.animation import is_animated, open_animation
from cpabmm_core.media.pictures.formats import is_picture, picture_format
from cpabmm_core.media.pictures.heif_brand import heif_brand, is_heif
from cpabmm_core.media.pictures.opening import open_picture
from cpabmm_core.media.pictures.showing import to_frame

__all__ = [
    "heif_brand",
    "is_animated",
    "is_heif",
    "is_picture",
    "open_animation",
    "open_picture",
    "picture_format",
    "to_frame",
]
