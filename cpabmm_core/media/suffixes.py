"""File name suffixes of the images and videos that can be read and written."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes that `write_image` accepts, and of the images in a folder of frames."""
ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Suffixes of the formats that keep transparency."""
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v", ".mpg", ".mpeg", ".wmv")
"""Suffixes of the files that count as videos in a data set."""
