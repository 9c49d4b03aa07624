"""The colours and fonts of the page, those of the documentation."""

import gradio as gr
from gradio.themes.utils import colors

_BRAND = colors.Color(
    "#effafb",
    "#d6f1f5",
    "#aee2ec",
    "#7bccdc",
    "#43adc3",
    "#1b8ca5",
    "#0b6e84",
    "#0b5a6d",
    "#104958",
    "#133d4a",
    "#0d222b",
    name="brand",
)
_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Liberation Sans", "sans-serif")
_CODE_FONTS = ("ui-monospace", "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", "monospace")


def page_theme() -> gr.themes.Base:
    """Return the theme. Its fonts are those of the system, so nothing is loaded for it."""
    return gr.themes.Base(
        primary_hue=_BRAND,
        neutral_hue=colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=_FONTS,
        font_mono=_CODE_FONTS,
    )
