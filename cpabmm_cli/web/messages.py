"""What the page says: progress, results and errors, as HTML."""

import re
from html import escape
from pathlib import Path

from cpabmm_cli.console import terminal
from cpabmm_cli.failures import is_out_of_memory
from cpabmm_cli.web.rendering import Finished, Running
from cpabmm_core.errors import CpabmmError, Remedy
from cpabmm_core.files.checks import is_disk_full, one_line

READY = '<p class="status">Choose a source and a driving video, then animate.</p>'
WAITING = '<p class="status busy">Waiting for the run before this one.</p>'
CANCELLED = '<p class="status">Cancelled.</p>'
_CURES = {
    Remedy.CHOOSE_REFERENCE: "choose the reference frame Best match",
    Remedy.CHOOSE_POSE: "choose another source or driving video",
    Remedy.TRAIN_AVD: "choose the mode Relative",
}
"""Cures of errors of the core, in terms of the page."""


def progress(state: Running) -> str:
    """Return the progress of a run as HTML."""
    parts = [f"{state.stage.capitalize()}: frame {state.frames}"]
    if state.total:
        parts[0] += f" of {state.total}"
    if state.frames > 1 and state.seconds > 0:
        rate = (state.frames - 1) / state.seconds
        parts.append(f"{rate:.1f} frames/s")
        if state.total:
            parts.append(f"{(state.total - state.frames) / rate:.0f} s left")
    share = f' value="{min(state.frames / state.total, 1):.3f}"' if state.total else ""
    text = escape(", ".join(parts))
    return (
        f'<div class="status" role="status"><progress{share}></progress><span>{text}</span></div>'
    )


def result(state: Finished, folder: Path) -> str:
    """Return the end of a run as HTML; `folder` is that of `explain`."""
    report = state.report
    width, height = report.size
    frames = "1 frame" if report.frames == 1 else f"{report.frames} frames"
    facts = [f"{frames} of {width} x {height}", f"{report.seconds:.1f} s"]
    if report.seconds > 0:
        facts.append(f"{report.frames / report.seconds:.1f} frames/s")
    if report.reference_frame:
        facts.append(f"reference frame {report.reference_frame}")
    notes = "".join(
        f'<p class="status note">{escape(_phrase(note, folder))}</p>' for note in state.notes
    )
    return f'<p class="status done" role="status">{", ".join(facts)}</p>{notes}'


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
    return _phrase(error, folder)


def _phrase(message: str | CpabmmError, folder: Path) -> str:
    """Return a message with a cure for visitors and without the names of folders."""
    if isinstance(message, CpabmmError):
        cure = message.cure if message.remedy is None else _CURES.get(message.remedy)
        message = message.trouble if cure is None else f"{message.trouble}; {cure}"
    return re.sub(rf"{re.escape(str(folder))}/(?:[^/\s]+/)*", "", " ".join(message.split()))
