from __future__ import annotations

import time
import unicodedata
from datetime import UTC, datetime

import pytest

from app.domain.messages import MessageState, Role, SearchHit
from app.store import Repositories
from app.store.folding import fold
from app.store.search import ROWS_AT_ONCE, document, terms
from app.store.snippets import Wanted, snippet
from app.store.tables import UserRow

from .opened import Opened


def found(opened: Opened, text: str, user_id: str = "local") -> list[SearchHit]:
    return list(opened.write(lambda r: r.conversations.search(user_id, text, 20)))


def wanted(query: str) -> Wanted:
    return Wanted([t.pattern for t in terms(query)], [t.beginning for t in terms(query)])


def marked(hit: SearchHit) -> list[str]:
    return [hit.snippet[a:b] for a, b in hit.ranges]


@pytest.mark.parametrize(
    ("query", "marks"),
    [
        ("茶", ["茶", "茶"]),  # one Chinese character
        ("绿茶", ["绿茶"]),  # two
        ("绿茶怎么", ["绿茶怎么"]),
        ("lora", ["LoRA"]),
        ("LORA 绿茶", ["绿茶", "LoRA"]),
        ("lo", ["Lo"]),  # the beginning of a word
        ("full", ["Ｆｕｌｌ"]),  # full width
        ("🍵", ["🍵"]),
        ("🍵!", ["🍵"]),
        ("straße", ["STRASSE"]),
        ("3.5", ["3", "5"]),
    ],
)
def test_messages_are_found_by_what_they_say(opened: Opened, query: str, marks: list[str]) -> None:
    opened.question(opened.conversation(title="other"), "Nothing of it.")
    message = opened.question(opened.conversation(), "请问绿茶怎么泡？LoRA 是什么茶 🍵 Ｆｕｌｌ STRASSE 3.5 ﬁn")
    (hit,) = found(opened, query)
    assert hit.message_id == message.id
    assert marked(hit) == marks


@pytest.mark.parametrize(
    ("text", "query", "marks"),
    [
        ("สวัสดีครับ วันนี้อากาศดีมาก", "อากาศ", ["อากาศ"]),  # Thai
        ("ສະບາຍດີ ມື້ນີ້ອາກາດດີ", "ອາກາດ", ["ອາກາດ"]),  # Lao
        ("សួស្តី ថ្ងៃនេះអាកាសធាតុល្អ", "អាកាសធាតុ", ["អាកាសធាតុ"]),  # Khmer
        ("မင်္ဂလာပါ ဒီနေ့ ရာသီဥတုကောင်းတယ်", "ရာသီဥတု", ["ရာသီဥတု"]),  # Burmese
        ("བོད་སྐད་ཡིན།", "སྐད", ["སྐད"]),  # Tibetan
        ("आज मौसम अच्छा है", "मौसम", ["मौसम"]),
        ("Le café crème", "café", ["café"]),
        ("Le café crème", "cafe", ["café"]),
        ("Le cafe creme", "CAFÉ", ["cafe"]),
        ("Le cafe\u0301 cre\u0300me", "café creme", ["café", "crème"]),
        ("der Vektor x\u0302y", "x\u0302y", ["x\u0302y"]),
        ("my iPhone15 and Qwen2.5-7B", "15", ["15"]),
        ("my iPhone15 and Qwen2.5-7B", "iphone15", ["iPhone15"]),
        ("my iPhone15 and Qwen2.5-7B", "qwen2.5 7b", ["Qwen2", "5", "7B"]),
        ("my iPhone 15", "iphone15", ["iPhone 15"]),
        ("2026年11月", "11月", ["11", "月"]),
        ("سنة ٢٠٢٦م", "٢٠٢٦", ["٢٠٢٦"]),
        ("مُحَمَّد هنا", "محمد", ["مُحَمَّد"]),
    ],
)
def test_all_scripts_are_found_and_marked(opened: Opened, text: str, query: str, marks: list[str]) -> None:
    opened.question(opened.conversation(title="other"), "Nothing of it.")
    opened.question(opened.conversation(), text)
    (hit,) = found(opened, query)
    assert marked(hit) == marks


@pytest.mark.parametrize("query", ["茶绿", "ora", "绿 怎么泡 咖啡", "tea", "🍶", "", "   ", "?!", '"', "%", "_", "*"])
def test_what_is_not_there_is_not_found(opened: Opened, query: str) -> None:
    opened.question(opened.conversation(), "请问绿茶怎么泡？LoRA 100% a_b 🍵")
    assert found(opened, query) == []


@pytest.mark.parametrize(
    "query",
    [
        'lora"',
        "lora OR",
        "lora AND",
        "lora NOT x",
        "NEAR(lora x)",
        "text:lora",
        "lora*",
        "^lora",
        "{lora}",
        "lora'; DROP TABLE messages; --",
        '" OR "1"="1',
        "(((",
        "a" * 10_000,
    ],
)
def test_a_query_is_never_syntax(opened: Opened, query: str) -> None:
    opened.question(opened.conversation(), "What is LoRA?")
    assert len(found(opened, query)) == (1 if query in ('lora"', "lora*", "^lora", "{lora}") else 0)
    assert len(found(opened, "lora")) == 1


def test_titles_are_found_and_forgotten(opened: Opened) -> None:
    made = opened.conversation(title="Green tea 绿茶")
    (hit,) = found(opened, "tea")
    assert (hit.message_id, hit.snippet, marked(hit)) == (None, "Green tea 绿茶", ["tea"])
    opened.write(lambda r: r.conversations.update("local", made.id, title="Coffee"))
    assert found(opened, "tea") == []
    assert [h.conversation.title for h in found(opened, "coffee")] == ["Coffee"]


def test_a_conversation_is_one_hit_with_its_newest_message(opened: Opened) -> None:
    tea = opened.conversation(title="tea")
    opened.question(tea, "tea, first")
    newest = opened.question(tea, "tea, second")
    older = opened.question(opened.conversation(), "more tea")
    hits = found(opened, "tea")
    assert [h.message_id for h in hits] == [older.id, newest.id]
    assert found(opened, "tea first")[0].conversation.id == tea.id


def test_a_message_is_shown_rather_than_a_title_that_was_given_later(opened: Opened) -> None:
    made = opened.conversation()
    message = opened.question(made, "tea")
    opened.write(lambda r: r.conversations.update("local", made.id, title="All about tea"))
    for limit in (1, 9):
        (hit,) = opened.write(lambda r, limit=limit: r.conversations.search("local", "tea", limit))  # type: ignore[misc]
        assert hit.message_id == message.id


def test_the_newest_matches_are_found_and_the_conversation_changed_last_is_first(opened: Opened) -> None:
    oldest, middle, newest = (opened.conversation() for _ in range(3))
    for conversation in (oldest, middle, newest):
        opened.question(conversation, "tea")
    for conversation in (middle, oldest):
        opened.question(conversation, "coffee")
    hits = opened.write(lambda r: r.conversations.search("local", "tea", 2))
    assert [hit.conversation.id for hit in hits] == [middle.id, newest.id]
    assert [hit.conversation.id for hit in found(opened, "tea")] == [oldest.id, middle.id, newest.id]


def test_the_few_matches_of_one_user_are_found_among_many_newer_ones_of_others(opened: Opened) -> None:
    opened.write(lambda r: r.users._session.merge(UserRow(id="rare", name="", created_at=datetime.now(UTC))))
    rare = opened.conversation("rare")
    opened.question(rare, "tea")
    theirs = opened.conversation()

    def work(r: Repositories) -> None:
        for number in range(3 * ROWS_AT_ONCE):
            r.messages.add(theirs.id, None, Role.USER, f"tea {number}", MessageState.COMPLETE)

    opened.write(work)
    assert [hit.conversation.id for hit in found(opened, "tea", "rare")] == [rare.id]
    assert [hit.conversation.id for hit in found(opened, "tea")] == [theirs.id]


def test_only_ones_own_and_undeleted_conversations_are_found(opened: Opened) -> None:
    made = opened.conversation()
    opened.question(made, "tea")
    assert found(opened, "tea", "stranger") == []
    opened.write(lambda r: r.conversations.delete("local", made.id))
    assert found(opened, "tea") == []
    opened.write(lambda r: r.conversations.restore("local", made.id))
    assert len(found(opened, "tea")) == 1
    opened.write(lambda r: r.conversations.delete("local", made.id))
    opened.write(lambda r: r.conversations.purge(0))
    assert found(opened, "tea") == []


def test_a_reply_is_found_when_it_has_ended(opened: Opened) -> None:
    reply = opened.reply(opened.question(opened.conversation(), "Hi"), "", MessageState.PENDING)
    opened.write(lambda r: r.messages.set_text(reply.id, "green"))
    assert found(opened, "green") == []
    opened.write(lambda r: r.messages.finish(reply.id, MessageState.COMPLETE, content="green tea"))
    assert [h.message_id for h in found(opened, "green")] == [reply.id]


def test_a_snippet_shows_the_place_in_a_long_text(opened: Opened) -> None:
    opened.question(opened.conversation(), "word\n" * 500 + "the ﬁnal … needle is here. " + "tail " * 500)
    (hit,) = found(opened, "needle")
    assert marked(hit) == ["needle"]
    assert hit.snippet.startswith("…word word")
    assert hit.snippet.endswith("…")
    assert len(hit.snippet) <= 122


@pytest.mark.parametrize("filler", ["ab ", "茶 ", "ß "])
@pytest.mark.parametrize("at", [994, 1_997, 2_000, 2_001, 2_499, 4_001, 60_000])
def test_a_match_is_marked_wherever_it_is(filler: str, at: int) -> None:
    text = (filler * at)[:at] + " Needle tail"
    shown = snippet(text + "x" * 5_000, wanted("needle"))
    assert [shown.text[a:b] for a, b in shown.ranges] == ["Needle"]
    inside = snippet((filler * at)[:at].rstrip() + "ab" * 40 + "needle" + "x" * 5_000, wanted("needle"))
    assert inside.ranges == (), "a word does not begin there"


@pytest.mark.parametrize(
    "text",
    ["a" + "\u0301\u0323" * 50_000, "\ufdfa" * 99_000, "straße " * 14_000, ("你" + "，" * 500) * 190],
    ids=["combining", "eighteenfold", "folds longer", "gaps"],
)
def test_no_text_of_100_kb_takes_long(opened: Opened, text: str) -> None:
    """Combining characters took 16 s each to index and to show; while they did, nobody else could write."""
    conversation = opened.conversation(title="tea")
    began = time.perf_counter()
    opened.question(conversation, text)
    snippet(text, wanted("needle 你好"))
    assert time.perf_counter() - began < 5


def test_a_search_through_many_long_texts_is_bounded(opened: Opened) -> None:
    long = "word " * 15_000 + "needle"
    for _ in range(20):
        opened.question(opened.conversation(), long)
    hits = found(opened, "needle")
    assert len(hits) == 20
    assert {bool(hit.ranges) for hit in hits[:13]} == {True}
    assert {bool(hit.ranges) for hit in hits[14:]} == {False}, "the others show their beginning"


def test_folding_in_parts_changes_nothing() -> None:
    text = "Ｆｕｌｌ ¼ 한국 が 🎉" + "👍" * 40 + "ＡＺ"
    assert fold(text) == unicodedata.normalize("NFKC", text).casefold()


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Café crème", "cafe creme"),
        ("cafe\u0301", "cafe"),
        ("Tiếng Việt", "tieng viet"),
        ("Ελλάδα ёж", "ελλαδα еж"),
        ("İstanbul", "istanbul"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد كتـــاب أحمد", "محمد كتاب احمد"),
        ("がぱ 한국어", "がぱ 한국어"),
        ("नमस्ते ที่นี่", "नमस्ते ที่นี่"),
    ],
)
def test_accents_are_left_out_and_letters_kept(text: str, folded: str) -> None:
    assert fold(text) == unicodedata.normalize("NFC", folded)
    assert fold(unicodedata.normalize("NFD", text)) == fold(text)


def test_documents_hold_tokens_only() -> None:
    assert document("Hello, 你好！ café_au\u2009lait—x 👍🏽") == " hello 你 好 cafe au lait x 👍 "


def test_terms_are_words_and_runs() -> None:
    assert [(t.text, t.is_phrase) for t in terms("GPT模型 a 模型")] == [("gpt", False), ("模型", True), ("a", False)]
