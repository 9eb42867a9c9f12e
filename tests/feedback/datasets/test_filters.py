from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.feedback import ConversationFeedback, Decision, RankingSource, Verdict
from app.domain.messages import Provenance
from app.domain.training_rows import RowKind
from app.feedback.datasets.preview import MAX_CONVERSATIONS, preview
from app.feedback.datasets.sources import sources
from app.feedback.datasets.spec import DatasetSpec, Filters
from app.feedback.datasets.tally import Tally
from tests.domain.test_derivation import START

from .chats import UP, Chat, judged

FORMATS = ("trl_pairs", "trl_sft", "trl_unpaired", "rankings")


def found(chat: ConversationFeedback, **filters: Any) -> tuple[dict[str, int], Tally]:
    """How many rows of each kind match, and the counts."""
    tally = Tally()
    for _ in sources([chat], DatasetSpec("test", FORMATS, Filters(**filters)), tally):
        pass
    return {kind.value: tally.rows[kind] for kind in RowKind if tally.rows[kind]}, tally


@pytest.fixture
def chat() -> Chat:
    """A judged question of user u, the same replies ranked by user v, one of them by another model."""
    made = judged("C1", "How hot should it be?")
    good, bad = made.messages[1:]
    made.messages[2] = replace(bad, provenance=Provenance("other", "d", "f", "e", "q", {}, "p", "style"))
    made.ratings[0] = replace(made.ratings[0], score=8)
    made.ratings[1] = replace(made.ratings[1], reasons=("wrong",))
    made.rank((good, 1), (bad, 2), user="v")
    return made


def test_without_filters_all_rows_match(chat: Chat) -> None:
    assert found(chat.done())[0] == {"label": 2, "pair": 1, "ranking": 1, "demonstration": 1}


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({"raters": ("u",)}, {"label": 2, "pair": 1, "demonstration": 1}),
        ({"raters": ("v",)}, {"pair": 1, "ranking": 1}),
        ({"raters": ("nobody",)}, {}),
        ({"models": ("other",)}, {"label": 1, "pair": 1, "ranking": 1}),
        ({"models": ("m",)}, {"label": 1, "pair": 1, "ranking": 1, "demonstration": 1}),
        ({"adapters": ("style",)}, {"label": 1, "pair": 1, "ranking": 1}),
        ({"sources": ("ratings",)}, {"label": 2, "demonstration": 1}),
        ({"sources": ("ranking",)}, {"pair": 1, "ranking": 1}),
        ({"reasons": ("wrong",)}, {"label": 1}),
        ({"languages": ("zh",)}, {}),
        ({"languages": ("en", "zh")}, {"label": 2, "pair": 1, "ranking": 1, "demonstration": 1}),
        ({"min_score": 8}, {"label": 2, "pair": 1, "ranking": 1, "demonstration": 1}),
        ({"min_score": 9}, {"label": 1}),
        ({"kinds": (RowKind.PAIR,)}, {"pair": 1}),
        ({"until": START + timedelta(minutes=4)}, {"label": 1, "demonstration": 1}),
        ({"since": START + timedelta(minutes=5)}, {"pair": 1, "ranking": 1}),
        ({"accepted_only": True}, {}),
    ],
)
def test_each_filter(chat: Chat, filters: dict[str, Any], rows: dict[str, int]) -> None:
    got, tally = found(chat.done(), **filters)
    assert got == rows
    if "kinds" not in filters and got != found(chat.done())[0]:
        assert tally.filtered_judgements + tally.filtered_rows


def test_accepted_judgements_only(chat: Chat) -> None:
    for rating in chat.ratings:
        chat.review(rating.id, Decision.ACCEPTED)
    assert found(chat.done(), accepted_only=True)[0] == {"label": 2, "pair": 1, "demonstration": 1}


def test_a_filter_does_not_bring_back_what_was_changed(chat: Chat) -> None:
    chat.rate(chat.messages[2], UP)  # later than `until`
    assert found(chat.done(), until=START + timedelta(minutes=5, seconds=30))[0]["label"] == 1


def test_scores_that_were_retracted_or_excluded_do_not_count(chat: Chat) -> None:
    good = chat.messages[1]
    for user, verdict in (("v", Verdict.RETRACTED), ("w", UP)):
        chat.rate(good, verdict, user)
        chat.ratings[-1] = replace(chat.ratings[-1], score=1)
    assert "pair" not in found(chat.done(), min_score=8)[0]  # the score of w counts
    chat.review(chat.ratings[-1].id, Decision.EXCLUDED)
    assert found(chat.done(), min_score=8)[0]["pair"] == 1


def test_a_correction_counts_for_the_model_that_was_corrected() -> None:
    chat = Chat("C1")
    chat.correct(chat.reply("No.", chat.question("q?")), "Yes.")
    assert found(chat.done(), models=("m",), sources=(RankingSource.CORRECTION,))[0]["demonstration"] == 1
    assert found(chat.done(), models=("other",))[0] == {}


def test_the_weights_of_the_pairs_that_are_left_add_up_to_1() -> None:
    chat = Chat("C1")
    asked = chat.question("q?")
    replies = [chat.reply(f"r{n}", asked) for n in range(3)]
    chat.messages[1] = replace(replies[0], provenance=Provenance("other", "d", "f", "e", "q", {}, "p"))
    chat.rank(*((reply, rank) for rank, reply in enumerate(replies, 1)))
    spec = DatasetSpec("test", ("trl_pairs",), Filters(models=("other",)))
    (source,) = sources([chat.done()], spec, Tally())
    assert [pair.weight for pair in source.rows.pairs] == [0.5, 0.5]


def test_a_row_that_was_filtered_does_not_hide_its_duplicate() -> None:
    """The same texts by another model."""
    first, second = judged("C1", "q?", "good", "bad"), judged("C2", "q?", "good", "bad")
    for at, message in enumerate(second.messages[1:], 1):
        second.messages[at] = replace(message, provenance=Provenance("other", "d", "f", "e", "q", {}, "p"))
    tally = Tally()
    spec = DatasetSpec("test", FORMATS, Filters(models=("other",)))
    (source,) = sources([first.done(), second.done()], spec, tally)
    assert source.feedback.conversation.id == "C2"
    both = Tally()
    list(sources([first.done(), second.done()], DatasetSpec("test", FORMATS), both))
    assert both.as_dict()["dropped"]["pair"] == {"duplicate": 1}


def test_a_preview_has_counts_and_examples() -> None:
    shown = preview(
        [judged(f"C{n}", f"question {n}").done() for n in range(5)], DatasetSpec("p", FORMATS), lambda: None
    )
    found_ = shown.as_dict()
    assert found_["complete"] is True
    assert found_["rows"] == {"label": 10, "pair": 5, "demonstration": 5, "prompt": 5}
    assert {name: (each["rows"], len(each["examples"])) for name, each in found_["formats"].items()} == {
        "rankings": (0, 0),
        "trl_pairs": (5, 3),
        "trl_sft": (5, 3),
        "trl_unpaired": (10, 3),
    }


def test_a_preview_of_a_large_log_says_that_it_is_not_complete() -> None:
    chat = judged("C1", "q").done()
    for more, complete in ((0, True), (1, False)):
        log = (chat for _ in range(MAX_CONVERSATIONS + more))
        assert preview(log, DatasetSpec("p", ("trl_pairs",)), lambda: None).complete is complete
