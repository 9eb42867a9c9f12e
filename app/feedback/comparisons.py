"""What the leaderboard compares: pairs of replies by players, from rankings and from thumbs.

- Rankings give their pairs. Where a rater ranked two replies more than once, the latest order counts.
- A rater's thumbs on the replies to one prompt are a ranking with two places. It gives the pairs of one reply rated up
  and one rated down; equal thumbs are no tie, since nobody compared these replies. Who has also ranked two replies has
  said it more precisely there.
- A judgement of N replies gives each pair the weight 2/N, see :class:`Comparison`.
- As in :mod:`app.domain.derivation`: only finished replies to the same prompt, with consent, not excluded by a review.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from app.domain.judged_replies import JudgedPair
from app.feedback.leaderboard.comparison import Comparison, Outcome


def comparisons(ranked: Iterable[JudgedPair], thumbs: Iterable[JudgedPair]) -> list[Comparison]:
    """All comparisons. The pairs of one judgement, or of one rater's thumbs for one prompt, must come in sequence.

    Both replies may be by the same player: the leaderboard counts such pairs, and leaves them out.
    """
    latest: dict[_Key, Comparison] = {}
    for _, pairs in groupby(ranked, key=lambda pair: pair.judgement_id):
        for key, comparison in _of_judgement(list(pairs)):
            known = latest.get(key)
            if known is None or (known.at, known.judgement_id) < (comparison.at, comparison.judgement_id):
                latest[key] = comparison
    for _, pairs in groupby(thumbs, key=lambda pair: (pair.rater_id, pair.prompt_id, pair.prompt)):
        for key, comparison in _of_judgement(list(pairs)):
            latest.setdefault(key, comparison)
    return list(latest.values())


_Key = tuple[str, str, str]  # rater and messages


def _of_judgement(pairs: list[JudgedPair]) -> Iterator[tuple[_Key, Comparison]]:
    """The comparisons of one judgement. Thumbs get the id of the latest one."""
    judgement_id, weight = pairs[0].judgement_id, 1.0
    if len(pairs) > 1:
        judgement_id = max(pair.judgement_id for pair in pairs)
        weight = 2 / len({*(pair.left_id for pair in pairs), *(pair.right_id for pair in pairs)})
    for pair in pairs:
        one, other = pair.left_id, pair.right_id
        key = (pair.rater_id, one, other) if one < other else (pair.rater_id, other, one)
        yield key, _comparison(pair, judgement_id, weight)


def _comparison(pair: JudgedPair, judgement_id: str, weight: float) -> Comparison:
    return Comparison(
        judgement_id=judgement_id,
        rater_id=pair.rater_id,
        prompt_id=pair.prompt,
        left=pair.left,
        right=pair.right,
        outcome=_outcome(pair),
        at=pair.judged_at,
        left_position_shown=_position(pair),
        left_length=pair.left_characters,
        right_length=pair.right_characters,
        weight=weight,
        blind=pair.blind,
        language=pair.language,
        source=pair.kind,
    )


def _outcome(pair: JudgedPair) -> Outcome:
    if pair.both_bad or pair.left_rank is None or pair.right_rank is None:
        return Outcome.BOTH_BAD
    if pair.left_rank == pair.right_rank:
        return Outcome.TIE
    return Outcome.LEFT if pair.left_rank < pair.right_rank else Outcome.RIGHT


def _position(pair: JudgedPair) -> int | None:
    if pair.left_position is None or pair.right_position is None:
        return None
    return 0 if pair.left_position < pair.right_position else 1
