"""Gradio's theme: colours and fonts come from ``frontends/view/styles/tokens.css``.

It refers to our custom properties, so light and dark are defined in one place, and no font is downloaded.
"""

from __future__ import annotations

import gradio as gr

_COLOURS = {
    "body_background_fill": "--p-bg",
    "body_text_color": "--p-text",
    "body_text_color_subdued": "--p-muted",
    "background_fill_primary": "--p-bg",
    "background_fill_secondary": "--p-surface",
    "border_color_primary": "--p-border",
    "color_accent": "--p-accent",
    "link_text_color": "--p-accent",
}


def theme() -> gr.themes.Base:
    """Gradio's base theme with the page's custom properties as colours."""
    base = gr.themes.Base(
        font=["sans-serif"],  # static/page/gradio.css sets ours
        font_mono=["monospace"],
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md,
    )
    colours = {name: f"var({prop})" for name, prop in _COLOURS.items()}
    known = set(vars(base))
    dark = {f"{name}_dark": value for name, value in colours.items() if f"{name}_dark" in known}
    return base.set(**colours, **dark, block_border_width="0px", block_shadow="none")
