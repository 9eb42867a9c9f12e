"""ChatLLaMA's ``rlhf_training_data.json``: ``user_input`` alone, each once."""

from __future__ import annotations

from collections.abc import Iterator

from app.export.base import ALL_KINDS, Format, Layout, Options, Row, Source
from app.export.chatllama_actor import user_input
from app.export.meta import prompt_meta


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    for prompt in source.prompts:
        asked = user_input(prompt.reply.prompt)
        yield {"user_input": asked, "meta": prompt_meta(prompt)} if asked is not None else None


FORMAT = Format("chatllama_rlhf", "ChatLLaMA's rlhf_training_data.json: prompts.", ALL_KINDS, _rows, Layout.ARRAY)
