from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.splits import SIMILARITY
from app.feedback.datasets.near_duplicates import NearDuplicates

WORDS = (
    *("tea", "water", "leaf", "green", "hot", "cold", "pot", "cup", "spring", "mountain"),
    *("farmer", "harvest", "dry", "steam", "roast", "pan", "brew", "taste", "bitter", "sweet"),
)


def clusters(*groups: list[str]) -> list[int]:
    near = NearDuplicates()
    for number, texts in enumerate(groups):
        near.add(number, texts)
    return near.clusters()


def grams(text: str) -> set[str]:
    plain = " ".join(text.casefold().split())
    return {plain[at : at + 5] for at in range(max(1, len(plain) - 4))}


def similarity(one: str, other: str) -> float:
    return len(grams(one) & grams(other)) / len(grams(one) | grams(other))


def test_the_same_and_nearly_the_same_belong_together() -> None:
    asked = "How hot should the water be for green tea from Longjing in a glass?"
    assert clusters([asked], [asked]) == [0, 0]
    assert clusters([asked], ["HOW hot  should the water be for green tea from Longjing in a glass?"]) == [0, 0]
    assert clusters([asked], [asked.replace("glass", "mug")]) == [0, 0]
    assert clusters([asked], ["Which wine goes with fish and lemon sauce on a cold winter evening?"]) == [0, 1]


def test_chinese() -> None:
    asked = "请用通俗易懂的语言解释一下为什么绿茶不能用刚烧开的沸水来冲泡"
    assert clusters([asked], [asked + "？"], ["红烧肉怎么做才能肥而不腻入口即化"]) == [0, 0, 2]


def test_short_and_empty_texts() -> None:
    assert clusters(["hi"], ["Hi"], ["ho"], [""], [""], []) == [0, 0, 2, 3, 3, 5]


def test_groups_are_joined_through_others() -> None:
    one, two = (
        "What is the capital of France and why is it Paris?",
        "Explain how a sorting algorithm works, step by step.",
    )
    assert clusters([one], [two], ["another question entirely, of course"], [one, two]) == [0, 0, 2, 0]


def test_a_long_text_is_compared_by_its_beginning() -> None:
    text = "".join(random.Random(1).choices("abcdefgh ", k=300_000))
    assert clusters([text], [text[:200_000]]) == [0, 0]


def changed(text: str, random_: random.Random, words: int) -> str:
    found = text.split()
    for _ in range(words):
        found[random_.randrange(len(found))] = random_.choice(WORDS)
    return " ".join(found)


def test_few_near_duplicates_are_missed_and_few_others_joined() -> None:
    source = random.Random(7)
    near = far = missed = joined = 0
    for _ in range(600):
        text = " ".join(f"{source.choice(WORDS)}{source.randrange(100)}" for _ in range(30))
        other = changed(text, source, source.randrange(1, 20))
        together = clusters([text], [other]) == [0, 0]
        like = similarity(text, other)
        near += like >= SIMILARITY
        missed += like >= SIMILARITY and not together
        far += like < 0.4
        joined += like < 0.4 and together
    assert near > 100
    assert far > 100
    assert missed == 0
    assert joined == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=12), st.randoms())
def test_the_order_makes_no_difference(groups: list[list[str]], shuffler: random.Random) -> None:
    order = list(range(len(groups)))
    shuffler.shuffle(order)
    plain, mixed = clusters(*groups), clusters(*(groups[at] for at in order))
    together = {frozenset(at for at in range(len(groups)) if plain[at] == root) for root in plain}
    assert together == {frozenset(order[at] for at in range(len(groups)) if mixed[at] == root) for root in mixed}
