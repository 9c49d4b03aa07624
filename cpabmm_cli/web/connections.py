"""The connections between the controls of the page and the studio."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gradio as gr

from cpabmm_cli.web import messages
from cpabmm_cli.web.inputs import Choice
from cpabmm_cli.web.rendering import Failed, Finished
from cpabmm_cli.web.studio import Studio

_RESTART = """() => {
  for (const video of document.querySelectorAll("#driving-preview video, #result video")) {
    video.currentTime = 0;
    video.play().catch(() => {});
  }
}"""
"""Plays the driving video and the result side by side, from the start."""


class Picker(NamedTuple):
    """Where a source or driving file is shown, uploaded and picked."""

    preview: gr.Image | gr.Video
    upload: gr.File
    path: gr.Textbox
    samples: gr.Dataset


class Outcome(NamedTuple):
    """Where the state of a run is shown."""

    status: gr.HTML
    result: gr.Video
    download: gr.DownloadButton
    animate: gr.Button
    cancel: gr.Button


def connect_picker(
    studio: Studio,
    name: Literal["source", "driving"],
    picker: Picker,
    status: gr.HTML,
) -> None:
    """Let a visitor choose a file.

    Args:
        studio: does the work.
        name: what the file is for.
        picker: the controls.
        status: shows errors.
    """
    is_source = name == "source"
    upload = studio.upload_source if is_source else studio.upload_driving
    pick = studio.pick_source if is_source else studio.pick_driving

    def on_upload(path: str, request: gr.Request) -> list[object]:
        try:
            choice = upload(_visitor(request), Path(path))
        except Exception as error:
            return [gr.skip(), None, messages.failure(error, studio.folder)]
        return [_shown(name, choice), None, messages.READY]

    def on_pick(number: int, request: gr.Request) -> list[object]:
        return [_shown(name, pick(_visitor(request), number)), messages.READY]

    # The server receives the name of the upload only. If it received the value of the field, Gradio
    # would download a file of any address in it.
    picker.upload.upload(None, picker.upload, picker.path, js="(file) => file.path").then(
        on_upload,
        picker.path,
        [picker.preview, picker.upload, status],
        show_progress="minimal",
        api_name=f"upload_{name}",
    )
    picker.samples.click(
        on_pick,
        picker.samples,
        [picker.preview, status],
        show_progress="hidden",
        api_name=f"pick_{name}",
    )


def connect_buttons(
    studio: Studio, settings: dict[str, gr.components.Component], outcome: Outcome
) -> None:
    """Let a visitor start and cancel a run."""

    def run(request: gr.Request, *values: object) -> Iterator[list[object]]:
        given = dict(zip(settings, values, strict=True))
        if given["mode"] != "relative":  # no other mode has a reference frame
            del given["reference_frame"]
        yield from _states(studio, _visitor(request), given)

    def cancel(request: gr.Request) -> list[object]:
        studio.stop(_visitor(request))
        return _state(messages.CANCELLED)

    waiting = outcome.animate.click(
        lambda: _state(messages.WAITING, running=True),
        outputs=[*outcome],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    running = waiting.then(
        run,
        [*settings.values()],
        [*outcome],
        concurrency_limit=1,
        show_progress="hidden",
        api_name="animate",
    )
    running.then(None, js=_RESTART)
    outcome.cancel.click(
        cancel,
        outputs=[*outcome],
        cancels=[running],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def connect_end(page: gr.Blocks, studio: Studio) -> None:
    """Delete the files of a visitor who leaves."""

    def leave(request: gr.Request) -> None:
        studio.sessions.close(_visitor(request))

    page.unload(leave)


def _states(studio: Studio, visitor: str, values: dict[str, object]) -> Iterator[list[object]]:
    """Yield what the page shows during a run."""
    end: list[object] = _state(messages.CANCELLED)
    for state in studio.animate(visitor, values):
        if isinstance(state, Finished):
            end = _state(messages.result(state, studio.folder), result=state.output)
        elif isinstance(state, Failed):
            end = _state(messages.failure(state.error, studio.folder))
        else:
            yield _state(messages.progress(state), running=True)
    yield end


def _state(status: str, *, running: bool = False, result: Path | None = None) -> list[object]:
    """Return the values of the controls of an `Outcome`."""
    video = None if result is None else str(result)
    shown = gr.skip() if running else gr.update(value=video)
    return [
        status,
        shown,
        gr.update(value=video, visible=video is not None),
        gr.update(visible=not running),
        gr.update(visible=running),
    ]


def _shown(name: str, choice: Choice) -> dict[str, Any]:
    preview = None if choice.preview is None else str(choice.preview)
    return gr.update(value=preview, label=f"{name.capitalize()}: {choice.label}")


def _visitor(request: gr.Request) -> str:
    """Return the name that Gradio gives to an open page."""
    return request.session_hash or ""
