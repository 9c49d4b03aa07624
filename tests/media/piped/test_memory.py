"""Memory does not grow with the number of frames that come through a pipe."""

from collections.abc import Iterator

import psutil
from _helpers.media_files import number_of, numbered_frame
from _helpers.pipes import piped

from cpabmm_core.media import open_driving

WIDTH, HEIGHT = 160, 120


def endless(count: int) -> Iterator[bytes]:
    """Yield a grey YUV4MPEG2 of numbered frames."""
    pictures = [numbered_frame(number, WIDTH, HEIGHT)[..., 1].tobytes() for number in range(256)]
    yield b"YUV4MPEG2 W%d H%d F30:1 Cmono\n" % (WIDTH, HEIGHT)
    for number in range(count):
        yield b"FRAME\n" + pictures[number % 256]


def test_five_thousand_frames_need_no_more_memory_than_five_hundred() -> None:
    process = psutil.Process()
    used: dict[int, int] = {}
    count = 0
    with piped(endless(5000)) as (stream, _), open_driving("-", stdin=stream) as frames:
        for count, frame in enumerate(frames, 1):
            if count in (500, 5000):
                used[count] = process.memory_info().rss
            if count % 1000 == 0:
                assert number_of(frame.image) == (count - 1) % 256
                assert frame.pts == count - 1
    assert count == 5000
    one_percent_of_all_frames = 5000 * WIDTH * HEIGHT * 3 // 100
    assert used[5000] - used[500] < max(one_percent_of_all_frames, 0.1 * used[500])
