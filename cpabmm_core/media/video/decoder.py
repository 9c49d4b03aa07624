"""The decoder of a video stream."""

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from cpabmm_core.media.video.frame_shape import MAX_PIXELS

# FFmpeg's own decoders of VP8 and VP9 are faster, but drop the transparency.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def video_decoder(stream: VideoStream) -> VideoCodecContext:
    """Return the decoder of a stream, which refuses frames that are too large.

    The decoder is libvpx if a Matroska or WebM file states that its frames are transparent.
    """
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode", "0") != "0" and decoder.name in _WITH_ALPHA:
        decoder = _alpha_decoder(decoder)
    if not decoder.is_open:
        decoder.options = {**decoder.options, "max_pixels": str(MAX_PIXELS)}
    return decoder


def _alpha_decoder(plain: VideoCodecContext) -> VideoCodecContext:
    decoder = av.CodecContext.create(_WITH_ALPHA[plain.name], "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = plain.extradata
    decoder.thread_count = plain.thread_count
    return decoder
