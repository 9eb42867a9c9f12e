"""Makes a database with many conversations and judgements, for the benchmarks of feedback.

    python -m benchmarks.feedback_log DATA_DIR --messages 1000000 --judgements 200000

Every conversation has ten messages: four questions with replies, the last one with three versions. Half of the
conversations are judged: two thumbs, one with a score, and a ranking (a comparison or a choice after Regenerate). Texts
are random words, English and Chinese, about as long as in a chat.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.domain.feedback import RankedReply, RankingSource, Verdict
from app.domain.messages import MessageState, Role
from app.store import Repositories, Store
from app.store.imported_rows import ImportedConversation, ImportedMessage, ImportedRating
from app.store.repositories.imports import WholeConversation
from app.store.repositories.users import LOCAL_USER

MESSAGES_PER_CONVERSATION = 10
JUDGEMENTS_PER_CONVERSATION = 3
MODELS = ("qwen3-4b", "smollm2-135m-instruct", "chatglm3-6b", "llama-3.2-1b-instruct")
START = datetime(2026, 1, 1, tzinfo=UTC)
_CHINESE = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动"
    "同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自"
)
_TOGETHER = 100  # conversations per transaction


class Texts:
    """Random texts with a vocabulary of 20,000 words."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "ol", "us")]
        self._words = [
            "".join(self._random.choices(syllables, k=self._random.choice((1, 2, 2, 3)))) for _ in range(20_000)
        ]

    def text(self, least: int, most: int) -> str:
        """Between `least` and `most` words, or as many Chinese characters times two."""
        n = self._random.randint(least, most)
        if self._random.random() < 0.3:
            return "".join(self._random.choices(_CHINESE, k=2 * n)) + "。"
        return " ".join(self._random.choices(self._words, k=n)).capitalize() + "."

    def word(self) -> str:
        """A word that some text may contain."""
        return self._random.choice(self._words)


def fill(store: Store, messages: int, judgements: int, seed: int = 1) -> None:
    """Add conversations until there are that many messages and judgements."""
    random_, texts = random.Random(seed), Texts(seed)
    left = judgements
    numbers = range(0, messages // MESSAGES_PER_CONVERSATION, _TOGETHER)
    total = len(numbers) * _TOGETHER
    for first in numbers:
        slice_ = []
        for number in range(first, first + _TOGETHER):
            is_judged = left > 0 and (number % 2 == 0 or left >= JUDGEMENTS_PER_CONVERSATION * (total - number))
            left -= JUDGEMENTS_PER_CONVERSATION if is_judged else 0
            slice_.append(list(_conversation(random_, texts, number, judged=is_judged)))
        store.submit(lambda r, chats=slice_: _add(r, chats)).result()  # type: ignore[misc]


def _conversation(random_: random.Random, texts: Texts, number: int, *, judged: bool) -> Iterator[ImportedMessage]:
    at, parent = START + timedelta(minutes=number), None
    ratings = [
        ImportedRating(Verdict.UP, ("helpful",), "", random_.randint(6, 10)),
        ImportedRating(Verdict.DOWN, ("wrong",)),
    ]
    for turn in range(4):
        question = ImportedMessage(parent, Role.USER, texts.text(4, 25), MessageState.COMPLETE, at)
        yield question
        for version in range(3 if turn == 3 else 1):
            given = [ratings[version]] if judged and turn == 3 and version < 2 else []
            reply = ImportedMessage(
                question.id,
                Role.ASSISTANT,
                texts.text(20, 90),
                MessageState.COMPLETE,
                at,
                given,
                random_.choice(MODELS),
            )
            yield reply
            parent = reply.id


def _add(r: Repositories, chats: list[list[ImportedMessage]]) -> None:
    whole = []
    for messages in chats:
        at = messages[-1].created_at
        about = ImportedConversation(messages[0].content[:48], "", {}, at, at)
        whole.append(WholeConversation(about, messages, messages[-1].id))
    r.imports.add_all(LOCAL_USER, whole)
    for messages in chats:
        if any(message.ratings for message in messages):
            source = RankingSource.SIDE_BY_SIDE if len(messages[0].content) % 2 else RankingSource.REGENERATE
            items = [RankedReply(messages[-1].id, 1, 1), RankedReply(messages[-2].id, 2, 0)]
            r.rankings.add(LOCAL_USER, source, items, blind=source is RankingSource.SIDE_BY_SIDE)


def main(arguments: list[str] | None = None) -> None:
    """Make the database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--judgements", type=int, default=200_000)
    given = parser.parse_args(arguments)
    store = Store.open(f"sqlite:///{given.data_dir / 'parley.db'}", given.data_dir)
    try:
        fill(store, given.messages, given.judgements)
    finally:
        store.close_now()


if __name__ == "__main__":
    main()
