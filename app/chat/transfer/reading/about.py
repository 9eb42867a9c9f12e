"""What a record says about its conversation as a whole: title, system prompt, settings, dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.chat.transfer.reading.programs.open_webui_feedback import is_feedback, snapshot_of
from app.chat.transfer.reading.tree import About
from app.chat.transfer.reading.values import date_of, model_of


def about(value: Mapping[str, Any]) -> About:
    """What `value` says, whatever its program calls it."""
    if is_feedback(value):  # of the chat in it; the record's own date is that of the rating
        value = snapshot_of(value)
    options = value.get("options")
    inner = options if isinstance(options, Mapping) else {}
    history = value.get("history")
    leaf = value.get("leaf_id") or value.get("current_node") or value.get("current_leaf_message_uuid")
    if isinstance(history, Mapping):
        leaf = history.get("currentId")
    return About(
        title=title_of(value),
        system_prompt=_system_of({**inner, **value}),
        sampling=value.get("sampling"),
        leaf_id=leaf if isinstance(leaf, str) else None,
        created_at=date_of(value),
        model=model_of({"model": value.get("default_model_slug"), **inner, **value}),
        allow_training=value.get("allow_training") is not False,
    )


def title_of(value: object) -> str:
    """The title of a chat; "" if it has none."""
    if not isinstance(value, Mapping):
        return ""
    inner = [value.get(key) for key in ("conversation", "chat")]
    places = [value, *(one for one in inner if isinstance(one, Mapping))]
    given = (place.get(name) for place in places for name in ("title", "name"))
    return next((text.strip()[:200] for text in given if isinstance(text, str) and text.strip()), "")


def _system_of(about: Mapping[str, Any]) -> str:
    """The system prompt beside the messages, where LLaMA-Factory, Open WebUI and LibreChat have it."""
    params = about.get("params")
    inside = params.get("system") if isinstance(params, Mapping) else None
    given = (inside, *(about.get(name) for name in ("system", "system_prompt", "promptPrefix")))
    return next((text for text in given if isinstance(text, str) and text.strip()), "")
