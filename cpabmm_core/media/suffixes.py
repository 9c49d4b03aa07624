"""File name suffixes of the images and videos that can be read and written.

They are in lower case; suffixes of files are compared without regard to case. A suffix tells which
files of a folder are clips. How a file is read depends on its content alone (`media.content`).
"""

IMAGE_SUFFIXES = (
    ".png",
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),  # JPEG, and several of them in one file
    ".webp",
    *(".bmp", ".dib"),
    *(".tif", ".tiff"),
    *(".avif", ".avifs"),
    *(".heic", ".heif", ".hif", ".heics"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),  # JPEG 2000
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    ".tga",
)
"""Suffixes of the files that count as images in a data set or a folder of frames."""
IMAGE_OUTPUT_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes that `write_image` accepts."""
ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Suffixes of the formats that `write_image` writes with transparency."""
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
COMPANION_SUFFIXES = (
    *(".csv", ".tsv", ".json", ".jsonl", ".npy", ".npz", ".yaml", ".yml", ".toml", ".ini"),
    *(".txt", ".md", ".rst", ".log", ".html", ".pdf", ".xml"),
    *(".srt", ".vtt", ".ass"),
    *(".wav", ".mp3", ".m4a", ".aac", ".flac", ".opus"),
    *(".md5", ".sha256"),
)
"""Suffixes of annotations, notes, subtitles and sound, which people keep next to their clips."""
