"""What a reader does besides reading: output, other files, sockets, leftovers, time and memory."""

import ctypes
import gc
import glob
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from cpabmm_core.media.video.sound.process import _START as SOUND_PROCESS

_IN_OPEN = 0x20
_REFUSED_EVENTS = {
    "os.exec", "os.posix_spawn", "os.spawn", "os.system", "pickle.find_class", "socket.bind",
    "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "urllib.Request",
}  # fmt: skip
_SYSTEM_FILES = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib")
_SETTLE_SECONDS = 1


def _is_sound_process(command: object) -> bool:
    """Return whether a command is the process that decodes sound."""
    return isinstance(command, list) and command[-1] == SOUND_PROCESS


class Surroundings:
    """Notices the side effects of one execution after the other.

    Args:
        folder: the only folder that readers may use. Its part ``here`` is the working directory.
            Files called ``bait.mp4`` must not be opened.
        output: file descriptor of the file that stdout and stderr lead to.
    """

    def __init__(self, folder: Path, output: int) -> None:
        self._folder = folder.resolve()
        self._output = output
        self._output_end = os.fstat(output).st_size
        self._here = self._folder / "here"
        self._parts = [entry.path for entry in os.scandir(self._folder) if entry.is_dir()]
        self._events: list[str] = []
        self._watching = False
        self._allowed = (
            str(self._folder),
            sys.prefix,
            sys.base_prefix,
            str(Path(__file__).parents[2]),
        )
        self._bait = _watch_opens(self._folder.glob("*/bait.mp4"))
        self._visits = _count_visitors()
        self._handles, self._threads = _handles(), _threads()
        sys.addaudithook(self._note)

    def begin(self) -> None:
        """Start to watch one execution."""
        self._events.clear()
        self._visits.clear()
        self._files = self._list()
        _reset_peak_memory()
        self._memory = _peak_memory()
        self._start = time.process_time()
        self._watching = True

    def end(self) -> Iterator[tuple[str, str]]:
        """Stop to watch and yield the kind and the description of each side effect."""
        self._watching = False
        self.seconds = time.process_time() - self._start
        self.megabytes = (_peak_memory() - self._memory) / 2**20
        for event in dict.fromkeys(self._events):
            yield "opened", event
        if _drain(self._bait):
            yield "opened", "another file next to it, from native code"
        if self._visits:
            yield "opened", "a socket, from native code"
        for path in self._list() - self._files:
            yield "left", path.replace(str(self._folder), "")
        if (handles := _settled(_handles, self._handles)) > self._handles:
            yield "leak", "a file descriptor"
        if (threads := _settled(_threads, self._threads)) > self._threads:
            yield "leak", "a thread"
        self._handles, self._threads = handles, max(threads, self._threads)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._watching:
            return
        if event == "pickle.find_class" and "numba.core.caching" in sys.modules:
            return  # numba reads its cache of compiled functions with pickle
        if event == "subprocess.Popen" and _is_sound_process(arguments[1]):
            return
        if event in _REFUSED_EVENTS:
            self._events.append(f"{event} {arguments[:2]}"[:200])
        elif event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            allowed = path.startswith((*self._allowed, *_SYSTEM_FILES))
            if (not allowed or path.startswith(str(self._here))) and os.path.exists(path):
                self._events.append(f"open {path}")

    def new_output(self) -> str:
        """Return what was written to stdout and stderr since the last call."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        start, self._output_end = self._output_end, os.fstat(self._output).st_size
        return (
            os.pread(self._output, 2000, start).decode(errors="replace")
            if self._output_end > start
            else ""
        )

    def _list(self) -> set[str]:
        return {
            path
            for part in self._parts
            for path in glob.glob(f"{part}/**", recursive=True, include_hidden=True)
        }


def waiting_seconds() -> float:
    """Return for how long this process has waited for something other than a processor."""
    delay = Path("/proc/self/schedstat").read_text().split()[1]
    return time.monotonic() - time.process_time() - int(delay) / 1e9


def _watch_opens(paths: Iterator[Path]) -> int:
    """Return a descriptor that becomes readable when any code opens one of the files."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    for path in paths:
        libc.inotify_add_watch(handle, os.fsencode(path), _IN_OPEN)
    return handle


def _drain(handle: int) -> bool:
    try:
        return bool(os.read(handle, 65536))
    except BlockingIOError:
        return False


def _count_visitors() -> list[object]:
    """Listen on the port that the baits in seeds name; the list grows with each connection."""
    visits: list[object] = []
    try:
        server = socket.create_server(("127.0.0.1", BAIT_PORT), reuse_port=True)
    except OSError:
        return visits

    def serve() -> None:
        while True:
            connection, address = server.accept()
            visits.append(address)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return visits


BAIT_PORT = 47813


def _settled(measure: object, before: int) -> int:
    """Return a count, again for a second while it is larger than before."""
    assert callable(measure)
    end = time.monotonic() + _SETTLE_SECONDS
    while (count := int(measure())) > before and time.monotonic() < end:
        gc.collect()
        time.sleep(_SETTLE_SECONDS / 20)
    return count


def _handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _reset_peak_memory() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak_memory() -> int:
    """Return the peak resident memory in bytes since the last reset."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
