"""The page as Gradio lays it out: a list at the left, the conversation, a drawer at the right.

The list and the conversation are mount points: ``static/main.js`` fills them. The drawer is a form
of Gradio's own (:mod:`frontends.gradio.drawer`).
"""

from __future__ import annotations

import gradio as gr

from frontends.client import ParleyClient
from frontends.gradio.drawer import Drawer


def build(client: ParleyClient) -> gr.Blocks:
    """Lay out the page. Nothing here is per visitor: a visitor's state is in the store and in the browser."""
    page: gr.Blocks = gr.Blocks(title="Parley", analytics_enabled=False, fill_width=True, fill_height=True)
    with page, gr.Row(elem_id="parley"):
        gr.Column(elem_id="parley-sidebar")
        gr.Column(elem_id="parley-conversation")
        with gr.Column(elem_id="parley-drawer"):
            Drawer(client).build()
    return page
