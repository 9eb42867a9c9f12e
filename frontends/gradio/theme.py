"""The page's look where Gradio draws: colours and fonts come from ``static/page/tokens.css``.

Gradio's theme refers to our custom properties, so light and dark are decided in one place, and
no font is fetched from anywhere.
"""

from __future__ import annotations

import gradio as gr

_COLOURS = {
    "body_background_fill": "--p-bg",
    "body_text_color": "--p-text",
    "body_text_color_subdued": "--p-muted",
    "background_fill_primary": "--p-bg",
    "background_fill_secondary": "--p-surface",
    "block_background_fill": "--p-bg",
    "block_border_color": "--p-border",
    "block_label_text_color": "--p-muted",
    "block_title_text_color": "--p-text",
    "block_info_text_color": "--p-muted",
    "border_color_primary": "--p-border",
    "border_color_accent": "--p-accent",
    "color_accent": "--p-accent",
    "input_background_fill": "--p-surface",
    "input_background_fill_focus": "--p-bg",
    "input_border_color": "--p-border-strong",
    "input_border_color_focus": "--p-accent",
    "input_placeholder_color": "--p-muted",
    "slider_color": "--p-accent",
    "button_secondary_background_fill": "--p-surface",
    "button_secondary_background_fill_hover": "--p-surface-2",
    "button_secondary_text_color": "--p-text",
    "button_secondary_border_color": "--p-border",
    "checkbox_background_color": "--p-bg",
    "checkbox_background_color_selected": "--p-accent",
    "checkbox_border_color": "--p-border-strong",
    "checkbox_border_color_selected": "--p-accent",
    "checkbox_label_background_fill": "--p-surface",
    "checkbox_label_background_fill_hover": "--p-surface-2",
    "checkbox_label_background_fill_selected": "--p-accent-soft",
    "checkbox_label_text_color": "--p-text",
    "checkbox_label_text_color_selected": "--p-text",
    "checkbox_label_border_color": "--p-border",
    "link_text_color": "--p-accent",
}


def theme() -> gr.themes.Base:
    """A base theme drawn with the page's own custom properties."""
    base = gr.themes.Base(
        font=["sans-serif"],  # static/page/gradio.css names ours
        font_mono=["monospace"],
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md,
    )
    colours = {name: f"var({prop})" for name, prop in _COLOURS.items()}
    known = set(vars(base))
    dark = {f"{name}_dark": value for name, value in colours.items() if f"{name}_dark" in known}
    return base.set(**colours, **dark, block_border_width="0px", block_shadow="none", input_shadow="none")
