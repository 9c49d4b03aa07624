"""What the page says: progress, results and errors, as HTML."""

import re
from html import escape
from pathlib import Path

from cpabmm_cli.console import terminal
from cpabmm_cli.failures import is_out_of_memory
from cpabmm_cli.web.rendering import Finished, Running
from cpabmm_core.errors import CpabmmError
from cpabmm_core.files.checks import is_disk_full, one_line

READY = '<p class="status">Choose a source and a driving video, then animate.</p>'
WAITING = '<p class="status busy">Waiting for the run before this one.</p>'
CANCELLED = '<p class="status">Cancelled.</p>'


def show(state: Running | Finished) -> str:
    """Return the state of a run as HTML."""
    if isinstance(state, Running):
        return _progress(state)
    rate = f", {state.frames / state.seconds:.1f} frames/s" if state.seconds else ""
    done = f"{_count(state.frames)} in {state.seconds:.1f} s{rate}"
    notes = "".join(f'<p class="status note">{escape(note)}</p>' for note in state.notes)
    return f'<p class="status done" role="status">{done}</p>{notes}'


def failure(error: Exception, folder: Path) -> str:
    """Return an error as HTML; the arguments are those of `explain`."""
    return f'<p class="status error" role="alert">{escape(explain(error, folder))}</p>'


def explain(error: Exception, folder: Path) -> str:
    """Return one line about an error, without options of the command line.

    Args:
        error: what happened.
        folder: folder of all files of the page, which the line leaves out.
    """
    if terminal.debug:
        terminal.traceback(error)
    if is_out_of_memory(error):
        return "Out of memory. Use a smaller picture."
    if is_disk_full(error):
        return "The disk of the server is full."
    if not isinstance(error, CpabmmError):
        terminal.say(f"unexpected {type(error).__name__}: {one_line(error)}")
        return f"Unexpected {type(error).__name__}. The terminal of the server shows more."
    cure = None if error.remedy else error.cure
    text = error.trouble if cure is None else f"{error.trouble}; {cure}"
    return re.sub(rf"{re.escape(str(folder))}/(?:[^/\s]+/)*", "", " ".join(text.split()))


def _progress(state: Running) -> str:
    share = state.frames / state.total if state.total else None
    count = f"Frame {state.frames}" + (f" of {state.total}" if state.total else "")
    parts = [count]
    if state.frames > 1 and state.seconds > 0:
        rate = (state.frames - 1) / state.seconds
        parts.append(f"{rate:.1f} frames/s")
        if state.total:
            parts.append(f"{(state.total - state.frames) / rate:.0f} s left")
    bar = f'<progress {"" if share is None else f"value={min(share, 1):.3f}"}></progress>'
    return f'<div class="status busy" role="status">{bar}<span>{" · ".join(parts)}</span></div>'


def _count(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"
