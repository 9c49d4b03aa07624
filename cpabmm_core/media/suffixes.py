"""File name suffixes of the images and videos that can be read and written."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes that `write_image` accepts, and of the images in a folder of frames."""
ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Suffixes of the formats that keep transparency."""
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".mj2"),  # MP4 and QuickTime
    *(".lrv", ".insv"),  # MP4 of action cameras
    *(".mkv", ".webm", ".mk3d"),
    *(".avi", ".divx"),
    *(".gif", ".apng"),
    *(".ts", ".mts", ".m2ts", ".m2t", ".trp"),  # MPEG transport streams
    *(".mpg", ".mpeg", ".mpe", ".vob", ".m2p"),  # MPEG program streams
    *(".wmv", ".asf"),
    ".flv",
    *(".ogv", ".ogm", ".ogg"),
    *(".mxf", ".gxf"),
    *(".dv", ".dif"),
    ".nut",
    *(".rm", ".rmvb"),
    *(".wtv", ".nuv", ".pva", ".nsv", ".dav", ".cine", ".ser"),
    *(".flc", ".fli"),
    ".ivf",
    ".y4m",
    *(".mjpeg", ".mjpg"),
    *(".m1v", ".m2v"),
    *(".h264", ".264", ".hevc", ".h265", ".265", ".vvc", ".h266", ".266", ".obu"),
    *(".vc1", ".drc", ".dnxhd"),
)
"""Suffixes of the files that count as videos in a data set."""
