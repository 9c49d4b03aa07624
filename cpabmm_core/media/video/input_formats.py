"""The closed list of formats that FFmpeg may read, and the contents that are refused before it."""

from typing import NamedTuple


class InputFormat(NamedTuple):
    """A format that is read."""

    demuxer: str
    """FFmpeg's name of its reader."""
    title: str
    """What the format is called."""
    suffixes: tuple[str, ...] = ()
    """Suffixes of files in this format."""


# No reader here opens a second file, an address or a device. Left out are playlists and scripts
# (hls, dash, concat, imf, ...), network streams (sdp, rtsp, rtp, sap, ...), patterns of file names
# (image2, mlv), text (tty, subtitles, ffmetadata), devices (lavfi, v4l2, ...), formats without a
# header of their own (rawvideo, data), formats of games and programs, and all others.
VIDEO_FORMATS = (
    InputFormat(
        "mov",
        "MP4, QuickTime, 3GP",
        (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".mj2", ".lrv", ".insv"),
    ),
    InputFormat("matroska", "Matroska, WebM", (".mkv", ".webm", ".mk3d")),
    InputFormat("avi", "AVI", (".avi", ".divx")),
    InputFormat("gif", "GIF", (".gif",)),
    InputFormat("apng", "animated PNG", (".apng",)),
    InputFormat("mpegts", "MPEG transport stream", (".ts", ".mts", ".m2ts", ".m2t", ".trp")),
    InputFormat("mpeg", "MPEG program stream", (".mpg", ".mpeg", ".mpe", ".vob", ".m2p")),
    InputFormat("asf", "Windows Media", (".wmv", ".asf")),
    InputFormat("flv", "Flash Video", (".flv",)),
    InputFormat("ogg", "Ogg", (".ogv", ".ogm", ".ogg")),
    InputFormat("mxf", "MXF", (".mxf",)),
    InputFormat("gxf", "GXF", (".gxf",)),
    InputFormat("dv", "DV", (".dv", ".dif")),
    InputFormat("nut", "NUT", (".nut",)),
    InputFormat("rm", "RealMedia", (".rm", ".rmvb")),
    InputFormat("wtv", "Windows recorded television", (".wtv",)),
    InputFormat("nuv", "NuppelVideo", (".nuv",)),
    InputFormat("pva", "TechnoTrend PVA", (".pva",)),
    InputFormat("nsv", "Nullsoft Streaming Video", (".nsv",)),
    InputFormat("dhav", "surveillance video of Dahua cameras", (".dav",)),
    InputFormat("cine", "Phantom Cine", (".cine",)),
    InputFormat("ser", "SER", (".ser",)),  # codespell:ignore ser
    InputFormat("flic", "FLIC animation", (".flc", ".fli")),
    InputFormat("ivf", "IVF", (".ivf",)),
    InputFormat("yuv4mpegpipe", "YUV4MPEG2", (".y4m",)),
    InputFormat("mjpeg", "Motion JPEG", (".mjpeg", ".mjpg")),
    InputFormat("mpegvideo", "MPEG-1 and MPEG-2 stream", (".m1v", ".m2v")),
    InputFormat("m4v", "MPEG-4 stream"),
    InputFormat("h264", "H.264 stream", (".h264", ".264")),
    InputFormat("hevc", "HEVC stream", (".hevc", ".h265", ".265")),
    InputFormat("vvc", "VVC stream", (".vvc", ".h266", ".266")),
    InputFormat("av1", "AV1 stream"),
    InputFormat("obu", "AV1 stream", (".obu",)),
    InputFormat("vc1", "VC-1 stream", (".vc1",)),
    InputFormat("dirac", "Dirac stream", (".drc",)),
    InputFormat("dnxhd", "DNxHD stream", (".dnxhd",)),
)
"""Formats of videos. Still images and animated WebP and AVIF are read by `media.pictures`."""

SOUND_FORMATS = (
    InputFormat("wav", "WAV"),
    InputFormat("mp3", "MP3"),
    InputFormat("flac", "FLAC"),
    InputFormat("aac", "AAC stream"),
    InputFormat("aiff", "AIFF"),
)
"""Formats of sound without a picture. As videos they are refused, but their sound can be used."""

FORMAT_WHITELIST = ",".join(each.demuxer for each in (*VIDEO_FORMATS, *SOUND_FORMATS))
"""The value of FFmpeg's option of this name."""
