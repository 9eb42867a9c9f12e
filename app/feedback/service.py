"""The feedback service: rate, rank and correct replies, withdraw judgements, and say what became of them.

Errors are raised before anything is written. Once a method returns, the judgement is committed.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.derivation import derive
from app.domain.feedback import (
    Judgement,
    RankedReply,
    Ranking,
    RankingSource,
    Rating,
    Verdict,
    current_rankings,
    current_ratings,
    current_reviews,
    ranked,
)
from app.domain.messages import Conversation, Message, MessageState, Role
from app.errors import InvalidRequest, ReplyRunning
from app.feedback.announcements import Announcements
from app.feedback.outcomes import Outcome, outcome_of
from app.feedback.rate_limit import RateLimit
from app.store.database import Store
from app.store.repositories import Repositories

MAX_JUDGEMENTS_PER_MINUTE = 600


class FeedbackService:
    """Everything about judgements of replies. One per application."""

    def __init__(self, store: Store, announcements: Announcements) -> None:
        self._store, self._announcements = store, announcements
        self._rate_limit = RateLimit(MAX_JUDGEMENTS_PER_MINUTE)

    async def rate(
        self, user_id: str, message_id: str, verdict: Verdict, reasons: Sequence[str], comment: str, score: int | None
    ) -> Rating:
        """Rate a finished reply. The latest rating counts; earlier ones are kept."""
        self._rate_limit.count(user_id)
        message = await self._reply(user_id, message_id)
        rating = await self._store.write(
            lambda r: r.ratings.add(user_id, message_id, verdict, tuple(reasons), comment, score)
        )
        self._announcements.rated(message.conversation_id, rating)
        return rating

    async def rank(
        self, user_id: str, source: RankingSource, items: Sequence[RankedReply], *, blind: bool, both_bad: bool
    ) -> Ranking:
        """Rank finished replies to one question. The latest ranking of the same replies counts; earlier ones are kept.

        A later one keeps the occasion and what was shown. It is blind only if the models were hidden until this choice.
        The same order again changes nothing.
        """
        self._rate_limit.count(user_id)

        def work(r: Repositories) -> Ranking:
            before = _before(r, user_id, items)
            if before is None:
                if source is RankingSource.CORRECTION:
                    raise InvalidRequest("Correct the reply itself: that ranks it.", field="source")
                return r.rankings.add(user_id, source, items, blind=blind, both_bad=both_bad)
            if _says_the_same(before, items, both_bad=both_bad):
                return before
            at = {item.message_id: item for item in before.items}
            kept = [
                RankedReply(x.message_id, x.rank, at[x.message_id].position, at[x.message_id].settings) for x in items
            ]
            hidden = before.blind and before.is_open
            return r.rankings.add(user_id, before.source, kept, blind=hidden, both_bad=both_bad)

        ranking = await self._store.write(work)
        self._announcements.ranked(ranking)
        return ranking

    async def withdraw_ranking(self, user_id: str, ranking_id: str) -> Ranking:
        """Withdraw a ranking, as if it had not been given. Raises :class:`~app.errors.RankingNotFound`."""
        self._rate_limit.count(user_id)
        ranking = await self._store.write(lambda r: r.rankings.withdraw(user_id, ranking_id))
        self._announcements.ranked(ranking)
        return ranking

    async def correct(self, user_id: str, message_id: str, content: str) -> tuple[Message, Ranking]:
        """Add a person's corrected text as another version of a reply, ranked above it, and show it.

        Returns the new version and the ranking.
        """
        self._rate_limit.count(user_id)
        original = await self._reply(user_id, message_id)
        if not content.strip():
            raise InvalidRequest("The corrected reply is empty. Write what it should have said.", field="content")
        if content.strip() == original.content.strip():
            raise InvalidRequest("Nothing was changed. Edit the text, or rate the reply instead.", field="content")

        def work(r: Repositories) -> tuple[Conversation, Message, Ranking]:
            corrected = r.messages.add(
                original.conversation_id,
                original.parent_id,
                Role.ASSISTANT,
                content,
                MessageState.COMPLETE,
                corrects_id=original.id,
            )
            items = [RankedReply(corrected.id, 1), RankedReply(original.id, 2)]
            ranking = r.rankings.add(user_id, RankingSource.CORRECTION, items)
            return r.conversations.update(user_id, original.conversation_id, leaf_id=corrected.id), corrected, ranking

        conversation, corrected, ranking = await self._store.write(work)
        self._announcements.corrected(conversation, corrected)
        self._announcements.ranked(ranking)
        return corrected, ranking

    async def judgements(self, user_id: str, message_id: str) -> Sequence[Outcome]:
        """The current judgements of a reply, oldest first, and what became of each.

        Raises :class:`~app.errors.MessageNotFound`.
        """

        def work(r: Repositories) -> list[Outcome]:
            message = r.messages.get(user_id, message_id)
            outcomes: list[Outcome] = []
            for feedback in r.feedback.conversations([message.conversation_id]):
                rows = derive(feedback)
                reviews = current_reviews(feedback.reviews)
                ratings = [x for x in current_ratings(feedback.ratings) if x.message_id == message_id]
                rankings = [x for x in current_rankings(feedback.rankings) if message_id in x.message_ids]
                given: list[Judgement] = [*ratings, *rankings]
                datasets = r.datasets.containing([x.id for x in given])
                outcomes += [outcome_of(x, rows, reviews.get(x.id), datasets.get(x.id, ())) for x in given]
            return outcomes

        outcomes = await self._store.read(work)
        return sorted(outcomes, key=lambda outcome: outcome.judgement.created_at)

    async def _reply(self, user_id: str, message_id: str) -> Message:
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        if message.role is not Role.ASSISTANT:
            raise InvalidRequest("Only replies can be rated.")
        if message.state is MessageState.PENDING:
            raise ReplyRunning("A reply is still being written. Wait for it, or stop it first.", message_id=message.id)
        return message


def _before(r: Repositories, user_id: str, items: Sequence[RankedReply]) -> Ranking | None:
    """The latest ranking of the same replies by the same person, also an open or withdrawn one."""
    if not items:
        return None
    prompt_id = r.messages.get(user_id, items[0].message_id).parent_id
    return r.rankings.latest(user_id, prompt_id, {item.message_id for item in items})


def _says_the_same(before: Ranking, items: Sequence[RankedReply], *, both_bad: bool) -> bool:
    ranks = {item.message_id: item.rank for item in ranked(items)}
    same = both_bad or ranks == {item.message_id: item.rank for item in before.items}
    return same and before.both_bad == both_bad and not before.withdrawn and not before.is_open
