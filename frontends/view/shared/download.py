"""A shared conversation as a file that Parley imports (``parley.conversation``, version 1)."""

from __future__ import annotations

import json

from frontends.client import Json


def chat_json(shared: Json) -> bytes:
    """The JSON text: one path, without anything that the page doesn't show."""
    messages = [
        {
            "id": f"m{number}",
            "parent_id": f"m{number - 1}" if number else None,
            "role": message["role"],
            "content": message["content"],
            "state": "complete",
            "created_at": message["created_at"],
            "imported_model": message["model"] or None,
        }
        for number, message in enumerate(shared["messages"])
    ]
    head = {"title": shared["title"], "created_at": shared["created_at"], "leaf_id": f"m{len(messages) - 1}"}
    whole = {"format": "parley.conversation", "version": 1, "conversation": head, "messages": messages, "rankings": []}
    return json.dumps(whole, ensure_ascii=False).encode()
