"""The page's Gradio layout: columns for the conversation list, the conversation and the settings.

All three are mount points that ``static/main.js`` fills. The layout is the same for all visitors: a visitor's state is
in the store and in the browser.
"""

from __future__ import annotations

import gradio as gr


def build() -> gr.Blocks:
    """Lay out the page."""
    page: gr.Blocks = gr.Blocks(title="Parley", analytics_enabled=False, fill_width=True, fill_height=True)
    with page, gr.Row(elem_id="parley"):
        gr.Column(elem_id="parley-sidebar")
        gr.Column(elem_id="parley-conversation")
        gr.Column(elem_id="parley-settings")
    return page
