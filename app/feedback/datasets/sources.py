"""The way from the log to rows: what each conversation contributes to a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from app.domain.derivation import derive
from app.domain.feedback import ConversationFeedback
from app.domain.messages import by_id, path_to
from app.domain.personal_data import Personal
from app.domain.training_rows import Drops, Prompt, Reply, RowKind, Seen, TrainingRows
from app.export.base import Source
from app.feedback.datasets.judgement_filters import select
from app.feedback.datasets.row_filters import RowFilter
from app.feedback.datasets.scrubbing import scrubbed
from app.feedback.datasets.spec import DatasetSpec
from app.feedback.datasets.tally import Tally


def sources(conversations: Iterable[ConversationFeedback], spec: DatasetSpec, tally: Tally) -> Iterator[Source]:
    """The conversations that give rows, one at a time, in the order in which they come; counted in `tally`."""
    filters, kinds = spec.filters, spec.kinds
    row_filter = RowFilter(filters, kinds, tally.filtered_rows, tally.dropped)
    seen_prompts = Seen()
    for feedback in conversations:
        tally.read += 1
        selected = select(feedback, filters, tally.filtered_judgements)
        if not selected.ratings and not selected.rankings:
            continue
        found: Mapping[str, Counter[Personal]] = {}
        if spec.scrub and selected.conversation.allow_training:
            clean = scrubbed(selected)
            selected, found = clean.feedback, clean.found
        derived = derive(selected)
        for kind in kinds:
            tally.dropped.setdefault(kind, Drops()).update(derived.drops(kind))
        rows = row_filter.apply(selected, derived)
        prompts = _prompts(rows, seen_prompts)
        if not any((rows.labels, rows.pairs, rows.rankings, rows.demonstrations)):
            continue
        _count(tally, selected, rows, prompts)
        if found:
            _count_personal_data(tally, selected, rows, found)
        yield Source(selected, rows, prompts)


def judgement_ids(rows: TrainingRows) -> set[str]:
    """The judgements behind the rows."""
    return {key for _, ids in rows.judged() for key in ids}


def _prompts(rows: TrainingRows, seen: Seen) -> list[Prompt]:
    """The prompts of the rows that no conversation before had, by the time of the first reply to each."""
    replies: dict[object, Reply] = {}
    ids: dict[object, set[str]] = {}
    for reply, judgements in rows.judged():
        first = replies.setdefault(reply.prompt, reply)
        if (reply.message.created_at, reply.message.id) < (first.message.created_at, first.message.id):
            replies[reply.prompt] = reply
        ids.setdefault(reply.prompt, set()).update(judgements)
    found = sorted(replies.values(), key=lambda reply: (reply.message.created_at, reply.message.id))
    return [Prompt(reply, tuple(sorted(ids[reply.prompt]))) for reply in found if seen.add(None, reply.prompt)]


def _count(tally: Tally, feedback: ConversationFeedback, rows: TrainingRows, prompts: list[Prompt]) -> None:
    tally.conversations += 1
    tally.prompts += len(prompts)
    for kind, found in (
        (RowKind.LABEL, rows.labels),
        (RowKind.PAIR, rows.pairs),
        (RowKind.RANKING, rows.rankings),
        (RowKind.DEMONSTRATION, rows.demonstrations),
    ):
        tally.rows[kind] += len(found)
    times = [at for at in (tally.newest_judgement_at, feedback.newest_at) if at is not None]
    tally.newest_judgement_at = max(times, default=None)


def _count_personal_data(
    tally: Tally, feedback: ConversationFeedback, rows: TrainingRows, found: Mapping[str, Counter[Personal]]
) -> None:
    """Count what was replaced in the messages of the rows and in the comments, not in the rest of the conversation."""
    messages, used = by_id(feedback.messages), {""}
    for reply, ids in rows.judged():
        used.update(message.id for message in path_to(messages, reply.message.id))
        used.update(ids)
    for key in sorted(used & found.keys()):
        tally.personal_data.update(found[key])
