"""TRL's prompts, each once: what a model answers anew while it is trained. For GRPO, RLOO and PPO."""

from __future__ import annotations

from collections.abc import Iterator

from app.export.base import ALL_KINDS, Format, Options, Row, Source
from app.export.meta import prompt_meta
from app.export.turns import chat


def _rows(source: Source, _: Options) -> Iterator[Row]:
    for prompt in source.prompts:
        yield {"prompt": chat(prompt.reply.prompt), "meta": prompt_meta(prompt)}


FORMAT = Format("trl_prompts", "Prompts without replies. For TRL's GRPO and RLOO.", ALL_KINDS, _rows)
