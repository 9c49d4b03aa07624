"""The layout of the page."""

from html import escape

import gradio as gr

from cpabmm_cli.web import messages
from cpabmm_cli.web.connections import (
    Outcome,
    Picker,
    connect_buttons,
    connect_end,
    connect_picker,
)
from cpabmm_cli.web.inputs import Choice
from cpabmm_cli.web.studio import Studio

_MOST_WAITING = 8
_PREVIEW_HEIGHT = 360
_UPLOAD_HEIGHT = 56
"""Pixels."""
_MODES = {"relative": "Relative", "standard": "Standard", "avd": "Avd"}
_FITS = [("Crop to a square", "crop"), ("Keep the whole shape", "pad")]
_CROPS = [("Whole picture", "none"), ("Around the object", "auto")]


def build_page(studio: Studio, model: str) -> gr.Blocks:
    """Return the page.

    Args:
        studio: does what the controls ask for.
        model: a line about the model and the device.
    """
    page = gr.Blocks(title="cpabmm", analytics_enabled=False)
    with page:
        gr.HTML(_header(model), elem_id="header")
        with gr.Row(elem_id="stage"):
            with gr.Column(scale=2, min_width=320):
                with gr.Row(elem_id="inputs"):
                    source, driving = _source(studio), _driving(studio)
                settings = _settings(studio)
            with gr.Column(scale=1, min_width=280, elem_id="outcome"):
                outcome = _outcome()
        connect_picker(studio, "source", source, outcome.status)
        connect_picker(studio, "driving", driving, outcome.status)
        connect_buttons(studio, settings, outcome)
        connect_end(page, studio)
    page.queue(max_size=_MOST_WAITING, default_concurrency_limit=4)
    return page


def _header(model: str) -> str:
    return (
        "<h1>cpabmm</h1>"
        "<p>Make a still picture move like a video. Everything stays on this computer.</p>"
        f'<p class="model">{escape(model)}</p>'
    )


def _source(studio: Studio) -> Picker:
    samples = studio.samples.sources
    with gr.Column(min_width=240):
        preview = gr.Image(
            value=str(samples[0].preview),
            label=f"Source: {samples[0].label}",
            interactive=False,
            height=_PREVIEW_HEIGHT,
            buttons=[],
            alt_text="Source",
            elem_id="source-preview",
        )
        return Picker(preview, *_upload("source"), _dataset(samples))


def _driving(studio: Studio) -> Picker:
    samples = studio.samples.driving
    with gr.Column(min_width=240):
        preview = gr.Video(
            value=str(samples[0].preview),
            label=f"Driving: {samples[0].label}",
            interactive=False,
            height=_PREVIEW_HEIGHT,
            autoplay=True,
            loop=True,
            buttons=[],
            elem_id="driving-preview",
        )
        return Picker(preview, *_upload("driving"), _dataset(samples))


def _upload(name: str) -> tuple[gr.File, gr.Textbox]:
    """Return a field for an upload, which the style sheet labels, and one for its path."""
    field = gr.File(
        label=f"Upload {name}",
        show_label=False,
        height=_UPLOAD_HEIGHT,
        elem_classes=["upload", f"upload-{name}"],
    )
    return field, gr.Textbox(visible="hidden")


def _dataset(samples: list[Choice]) -> gr.Dataset:
    return gr.Dataset(
        components=[gr.Image(render=False)],
        samples=[[str(sample.thumbnail)] for sample in samples],
        show_label=False,
        type="index",
        elem_classes="samples",
    )


def _settings(studio: Studio) -> dict[str, gr.components.Component]:
    """Return the controls of the settings, by the names of the fields that they set."""
    with gr.Row():
        mode = gr.Radio(
            [(_MODES[mode], mode) for mode in studio.modes],
            value="relative",
            label="Mode",
            info="Relative adds the movement to the source's pose. Standard copies the pose.",
        )
        reference = gr.Dropdown(
            [("First frame", "0"), ("Best match", "auto")],
            value="0",
            allow_custom_value=True,
            label="Reference frame",
            info="The driving frame with the source's pose. A number counts from 0.",
        )
        scale = gr.Slider(
            0.0, 2.0, value=1.0, step=0.05, label="Motion scale", info="Below 1 is weaker."
        )
    with gr.Accordion("More settings", open=False), gr.Row():
        fit = gr.Radio(_FITS, value="crop", label="Shape")
        crop = gr.Radio(_CROPS, value="none", label="Part of the source")
        driving_crop = gr.Radio(_CROPS, value="none", label="Part of the driving video")
        mirror = gr.Checkbox(
            label="Mirror the driving video", info="For characters that face opposite ways."
        )
        smooth = gr.Slider(0.0, 1.0, value=0.0, step=0.05, label="Smoothing")
        paste_back = gr.Checkbox(
            label="Paste back", info="Put the result into the whole source picture."
        )
    return {
        "mode": mode,
        "reference_frame": reference,
        "motion_scale": scale,
        "fit": fit,
        "crop": crop,
        "driving_crop": driving_crop,
        "smooth": smooth,
        "paste_back": paste_back,
        "mirror": mirror,
    }


def _outcome() -> Outcome:
    result = gr.Video(
        label="Result",
        interactive=False,
        height=_PREVIEW_HEIGHT,
        autoplay=True,
        loop=True,
        buttons=[],
        elem_id="result",
    )
    status = gr.HTML(messages.READY, elem_id="status")
    animate = gr.Button("Animate", variant="primary", elem_id="animate")
    cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel")
    download = gr.DownloadButton("Download", visible=False, elem_id="download")
    return Outcome(status, result, download, animate, cancel)
