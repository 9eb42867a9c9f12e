"""Judged replies as Markdown, for people to read: each prompt with its replies and what was said about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.messages import Message, Turn
from app.domain.training_rows import Reply
from app.export.base import ALL_KINDS, Format, Layout, Options, Row, Source

_SPEAKERS = {"system": "System", "user": "Question", "assistant": "Earlier reply"}


def _rows(source: Source, options: Options) -> Iterator[Row]:
    for prompt, verdicts in _by_prompt(source):
        parts = [f"## {source.feedback.conversation.id}"]
        parts += [f"**{_SPEAKERS[turn.role]}**\n\n{_quoted(turn.content)}" for turn in prompt]
        for verdict, message in verdicts:
            parts.append(f"### {verdict}: {_author(message)}")
            if options.reasoning and message.reasoning:
                parts.append(f"*Reasoning*\n\n{_quoted(message.reasoning)}")
            parts.append(_quoted(message.content))
        yield {"text": "\n\n".join(parts) + "\n\n"}


def _by_prompt(source: Source) -> list[tuple[Sequence[Turn], list[tuple[str, Message]]]]:
    """The prompts with what was said about the replies to each, in the order of the rows."""
    found: dict[object, tuple[Sequence[Turn], list[tuple[str, Message]]]] = {}
    for verdict, reply in _verdicts(source):
        key = reply.message.parent_id, reply.prompt
        found.setdefault(key, (reply.prompt, []))[1].append((verdict, reply.message))
    return list(found.values())


def _verdicts(source: Source) -> Iterator[tuple[str, Reply]]:
    rows = source.rows
    for label in rows.labels:
        thumb = "Good" if label.liked else "Bad"
        reasons = ", ".join(label.rating.reasons)
        score = f"{label.rating.score} of 10" if label.rating.score else ""
        said = "; ".join(part for part in (score, reasons, " ".join(label.rating.comment.split())) if part)
        yield f"{thumb} ({said})" if said else thumb, label.reply
    for pair in rows.pairs:
        yield "Preferred", pair.chosen
        yield "Rejected", pair.rejected
    for row in rows.rankings:
        for item, reply in zip(row.ranking.items, row.replies, strict=True):
            yield "None is good" if row.ranking.both_bad else f"Rank {item.rank}", reply
    for shown in rows.demonstrations:
        yield "To imitate", shown.reply


def _author(message: Message) -> str:
    if message.corrects_id:
        return "corrected by a person"
    return message.provenance.model_id if message.provenance else message.imported_model or "unknown model"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


FORMAT = Format("markdown", "Judged replies with their prompts, for people to read.", ALL_KINDS, _rows, Layout.TEXT)
