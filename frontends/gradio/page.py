"""The page as Gradio lays it out: a list at the left, the conversation, the settings at the right.

All three are mount points: ``static/main.js`` fills them. Nothing here is per visitor: a visitor's state is in the
store and in the browser.
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
