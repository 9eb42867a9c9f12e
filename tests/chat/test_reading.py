"""Chats of other programs: what is text is taken, the rest is left out and counted, and nothing spoils the others."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from app.chat.transfer.reading.formats import MAX_SKIPPED
from app.chat.transfer.reading.tree import ReadConversation
from app.errors import InvalidImport
from tests.support.chat_files import found_in, raw, zipped

Turns = list[tuple[str, str]]
U, A = "user", "assistant"
Q_AND_A: Turns = [(U, "q"), (A, "a")]


def path(found: ReadConversation) -> Turns:
    """The shown path: role and text."""
    turns: Turns = []
    at: int | None = found.leaf
    while at is not None:
        turns.append((found.messages[at].role.value, found.messages[at].content))
        at = found.messages[at].parent
    return turns[::-1]


def only(data: object) -> ReadConversation:
    chats, unread = found_in(data)
    assert unread == []
    assert len(chats) == 1
    return chats[0]


def chatgpt_node(given: str, parent: str | None, role: str = "", content: object = None, **more: object) -> Any:
    message = {"id": given, "author": {"role": role}, "content": content, "create_time": 1_700_000_000.5, **more}
    return {"id": given, "message": message if role else None, "parent": parent, "children": []}


def text_of(*parts: object) -> dict[str, object]:
    return {"content_type": "text", "parts": list(parts)}


def chatgpt(title: str = "T") -> dict[str, Any]:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    hidden = {"is_visually_hidden_from_conversation": True}
    nodes = [
        chatgpt_node("root", None),
        chatgpt_node("s", "root", "system", text_of("")),
        chatgpt_node("h", "s", "user", {"content_type": "user_editable_context", "user_profile": "I am me"}),
        chatgpt_node("v", "h", "user", text_of("hidden"), metadata=hidden),
        chatgpt_node("q", "v", "user", {"content_type": "multimodal_text", "parts": [picture, "q"]}),
        chatgpt_node("t", "q", "assistant", {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}),
        chatgpt_node("c", "t", "assistant", {"content_type": "code", "text": "search()"}, recipient="browser"),
        chatgpt_node("r", "c", "tool", {"content_type": "execution_output", "text": "found"}),
        chatgpt_node("a", "r", "assistant", text_of("a"), metadata={"model_slug": "gpt-4o"}, recipient="all"),
        chatgpt_node("b", "q", "assistant", text_of("another version")),
    ]
    return {"title": title, "create_time": 1_700_000_000, "mapping": {n["id"]: n for n in nodes}, "current_node": "a"}


def claude() -> dict[str, Any]:
    zero = "00000000-0000-4000-8000-000000000000"
    thinking = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]
    return {
        "uuid": "c",
        "name": "T",
        "created_at": "2024-03-01T12:00:00.000000Z",
        "chat_messages": [
            {
                **{"uuid": "1", "sender": "human", "text": "q", "parent_message_uuid": zero},
                **{"content": [{"type": "text", "text": "q"}], "files": [{"file_name": "x.png"}]},
            },
            {"uuid": "2", "sender": "assistant", "text": "a", "content": thinking, "parent_message_uuid": "1"},
        ],
    }


def librechat(*, nested: bool) -> dict[str, Any]:
    zero = "00000000-0000-0000-0000-000000000000"
    question = {"messageId": "1", "parentMessageId": zero, "text": "q", "sender": "User", "isCreatedByUser": True}
    parts = [{"type": "think", "think": "hm"}, {"type": "text", "text": {"value": "a"}}]
    reply: dict[str, Any] = {"messageId": "2", "parentMessageId": "1", "text": "", "content": parts}
    reply |= {"sender": "Llama 3", "isCreatedByUser": False, "model": "llama3"}
    messages = [{**question, "children": [reply]}] if nested else [question, reply]
    return {"conversationId": "c", "title": "T", "options": {"model": "x", "system": "S"}, "messages": messages}


def test_chatgpt() -> None:
    found = only([chatgpt()])
    assert path(found) == Q_AND_A
    assert len(found.messages) == 3, "the other version is kept"
    assert (found.title, found.system_prompt) == ("T", "")
    assert found.left_out == {"hidden": 2, "tool": 2, "reasoning": 1}
    assert found.changed == {"attachments": 1}
    assert {m.model for m in found.messages} == {"", "gpt-4o"}
    assert found.created_at.timestamp() == 1_700_000_000
    assert {int(m.created_at.timestamp()) for m in found.messages} == {1_700_000_000}


def test_claude_and_librechat() -> None:
    found = only([claude()])
    assert (path(found), found.title, found.changed) == (Q_AND_A, "T", {"attachments": 1})
    assert found.messages[1].reasoning == "hm"
    for nested in (False, True):
        found = only(librechat(nested=nested))
        assert (path(found), found.title, found.system_prompt) == (Q_AND_A, "T", "S")
        assert (found.left_out, found.changed, found.messages[1].reasoning) == ({}, {}, "hm")
        assert found.messages[1].model == "llama3"


def test_open_assistant() -> None:
    replies = [{"message_id": "2", "role": "assistant", "text": "a", "replies": []}]
    replies.append({"message_id": "3", "role": "assistant", "text": "b", "replies": []})
    found = only(
        {"message_tree_id": "1", "prompt": {"message_id": "1", "role": "prompter", "text": "q", "replies": replies}}
    )
    assert [m.content for m in found.messages] == ["q", "a", "b"]
    assert [m.parent for m in found.messages] == [None, 0, 0]


@pytest.mark.parametrize("user", ["user", "human", "Human", "prompter", "USER ", "you"])
@pytest.mark.parametrize("model", ["assistant", "gpt", "chatgpt", "bard", "bing", "bot", "model", "gpt-4o", "vicuna"])
def test_roles_of_other_programs(user: str, model: str) -> None:
    assert path(only({"conversations": [{"from": user, "value": "q"}, {"from": model, "value": "a"}]})) == Q_AND_A
    assert path(only([{"role": user, "content": "q"}, {"role": model, "content": "a"}])) == Q_AND_A


def test_what_is_neither_of_a_person_nor_of_a_model_is_left_out() -> None:
    turns = [("system", "S"), ("user", "q"), ("tool", "1"), ("function", "2"), ("narrator", "3"), ("assistant", "a")]
    found = only({"messages": [{"role": role, "content": text} for role, text in turns]})
    assert (path(found), found.system_prompt) == (Q_AND_A, "S")
    assert found.left_out == {"tool": 2, "unknown_role": 1}
    calls = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    found = only({"messages": [{"role": "user", "content": "q"}, calls, {"role": "assistant", "content": "a"}]})
    assert (path(found), found.left_out) == (Q_AND_A, {"tool": 1})


@pytest.mark.parametrize(
    "content",
    [
        ["a"],
        [{"type": "text", "text": "a"}],
        [{"type": "output_text", "text": "a", "annotations": []}],
        [{"type": "text", "text": {"value": "a", "annotations": []}}],
        {"parts": ["a"]},
        {"content_type": "text", "parts": ["a"]},
        {"text": "a"},
        {"type": "text", "content": "a"},
        "a",
    ],
)
def test_shapes_of_texts(content: object) -> None:
    assert (
        path(only({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": content}]}))
        == Q_AND_A
    )


@pytest.mark.parametrize(
    "content", [None, "", " \n", [], {}, [None], True, [{"type": "image_url", "image_url": {"url": "x"}}]]
)
def test_a_message_without_text_is_left_out_and_its_answer_kept(content: object) -> None:
    for reply in ({"role": "assistant", "content": content}, {"role": "assistant"}):
        found = only({"messages": [{"role": "user", "content": "q"}, reply, {"role": "assistant", "content": "a"}]})
        assert (path(found), found.left_out) == (Q_AND_A, {"no_text": 1})


def open_webui(messages: dict[str, Any], leaf: str = "a") -> Any:
    return [{"title": "T", "chat": {"title": "T", "history": {"currentId": leaf, "messages": messages}}}]


def test_answers_of_what_is_left_out_go_to_the_nearest_ancestor() -> None:
    question = {"id": "q", "parentId": None, "childrenIds": ["x"], "role": "user", "content": "q"}
    answer = {"id": "a", "parentId": "y", "childrenIds": [], "role": "assistant", "content": "a"}
    failed = {"id": "x", "parentId": "q", "childrenIds": ["y"], "role": "assistant", "error": {"content": "boom"}}
    for odd in (failed, None, 7, "text", [], {}):
        between = {"id": "y", "parentId": "x", "role": "assistant", "content": None}
        found = only(open_webui({"q": question, "x": odd, "y": between, "a": answer}))
        assert path(found) == Q_AND_A, odd
        assert sum(found.left_out.values()) == 2, odd
        assert found.changed == {}, odd


def test_lost_parents_circles_and_equal_ids() -> None:
    lost = {"id": "a", "parentId": "gone", "role": "assistant", "content": "a"}
    question = {"id": "q", "parentId": None, "role": "user", "content": "q"}
    found = only(open_webui({"q": question, "a": lost}))
    assert (path(found), found.changed) == (Q_AND_A, {"reattached": 1})
    circle = {"q": {**question, "parentId": "a"}, "a": {**lost, "parentId": "q"}}
    found = only(open_webui(circle))
    assert (path(found), found.changed) == (Q_AND_A, {"reattached": 1})
    twice = {"format": "parley.conversation", "version": 1, "messages": [{**question, "parent_id": None}] * 2}
    assert [m.content for m in only(twice).messages] == ["q", "q"]
    assert path(only(open_webui({"q": question, "a": {**lost, "parentId": "q"}}, leaf="gone"))) == Q_AND_A


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "q", "input": "", "output": "a"},
        {"instruction": "q", "output": "a"},
        {"instruction": "q", "output": "a", "from": "a collection", "text": "Below is an instruction"},
        {"prompt": "q", "completion": "a"},
        {"prompt": "q", "response": "a", "history": []},
        {"question": "q", "answer": "a"},
        {"history": [["q", "a"]]},
        [["q", "a"]],
    ],
)
def test_rows_of_training_data(row: object) -> None:
    assert path(only(row)) == Q_AND_A
    if isinstance(row, dict):
        assert [path(one) for one in found_in([row, row])[0]] == [Q_AND_A] * 2


def test_rows_with_more_than_a_question_and_an_answer() -> None:
    row = {"instruction": "Add", "input": "1 + 1", "output": "2", "system": "S"}
    assert (path(only(row)), only(row).system_prompt) == ([(U, "Add\n\n1 + 1"), (A, "2")], "S")
    row = {"prompt": "q2", "response": "a2", "history": [["q", "a"]]}
    assert path(only(row)) == [*Q_AND_A, (U, "q2"), (A, "a2")]


CHATS: list[Any] = [
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
    {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    chatgpt(),
    claude(),
    librechat(nested=True),
    {"instruction": "q", "output": "a"},
    {
        **{"format": "parley.conversation", "version": 1, "conversation": {"leaf_id": "a"}},
        "messages": [
            {"id": "q", "role": "user", "content": "q"},
            {"id": "a", "parent_id": "q", "role": A, "content": "a"},
        ],
    },
]
BAD: list[Any] = [
    None,
    7,
    "text",
    {},
    {"title": "bad"},
    {"messages": None},
    {"messages": [{"role": "user"}]},
    {"mapping": {}},
]


def test_one_bad_record_never_spoils_the_rest() -> None:
    chats, unread = found_in([*CHATS[:3], *BAD, *CHATS[3:]])
    assert [path(one) for one in chats] == [Q_AND_A] * len(CHATS)
    assert [one.reason for one in unread] == ["no_messages"] * len(BAD)
    assert "bad" in [one.title for one in unread]


@pytest.mark.parametrize("key", ["chats", "data", "conversations", "items", "results"])
def test_a_list_of_chats_in_an_object(key: str) -> None:
    chats, unread = found_in({key: CHATS})
    assert ([path(one) for one in chats], unread) == ([Q_AND_A] * len(CHATS), [])


def test_chats_by_their_ids() -> None:
    assert [path(one) for one in found_in({"a": CHATS[0], "b": CHATS[2]})[0]] == [Q_AND_A] * 2


def test_our_own_replies_without_text_are_kept_and_null_is_not() -> None:
    own = {"format": "parley.conversation", "version": 1, "conversation": {"leaf_id": "b"}}
    failed = {"id": "b", "parent_id": "q", "role": A, "content": "", "state": "failed"}
    question = {"id": "q", "role": U, "content": "q"}
    assert path(only({**own, "messages": [question, failed]})) == [(U, "q"), (A, "")]
    found = only({**own, "messages": [question, {**failed, "content": None}, {**failed, "id": "c", "content": "a"}]})
    assert (path(found), found.left_out) == ([(U, "q")], {"no_text": 1})
    assert [m.content for m in found.messages] == ["q", "a"]


def test_json_lines() -> None:
    lines = [json.dumps(chat).encode() for chat in CHATS]
    chats, unread = found_in(b"\n".join([lines[0], b"{broken", b"", *lines[1:]]))
    assert [path(one) for one in chats] == [Q_AND_A] * len(CHATS)
    assert [(one.reason, one.title) for one in unread] == [("broken", "#2")]
    turns = b'{"role": "user", "content": "q"}\n{"role": "assistant", "content": "a"}\n'
    assert path(only(turns)) == Q_AND_A


def test_a_file_that_is_cut_off_gives_what_it_has() -> None:
    whole = raw(CHATS)
    chats, unread = found_in(whole[: whole.rindex(b"{")])
    assert 0 < len(chats) < len(CHATS)
    assert [one.reason for one in unread] == ["broken"]


def test_encodings_and_characters_that_cannot_be_stored() -> None:
    text = json.dumps(CHATS[0])
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        assert path(only(text.encode(encoding))) == Q_AND_A
    odd = (
        r'{"title": "\ud800", "messages": [{"role": "user", "content": "a\u0000b\ud83d c \ud83d\ude00"}, 1e999, '
        + "9" * 5000
        + "]}"
    )
    found = only(odd.encode())
    assert found.messages[0].content == "ab\ufffd c 😀"
    assert found.title == "\ufffd"


@pytest.mark.parametrize(
    "data", [b"", b" ", b"hello", b"{", b"[" * 100_000, b"\x00\xff", b"%PDF-1.7", b'"text', b"PK\x03\x04"]
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    try:
        chats, unread = found_in(data)
    except InvalidImport as error:
        assert 10 < len(error.message) < 200  # noqa: PT017 - either is right
        return
    assert chats == []
    assert {one.reason for one in unread} <= {"broken", "no_messages"}


def test_whatever_a_file_holds_reading_it_does_not_fail() -> None:
    """Each value of each format is replaced by each kind of value."""
    odd: list[Any] = [
        None,
        True,
        -1,
        1e308,
        "",
        "x",
        "\ud800",
        [],
        [[]],
        [None],
        {},
        {"": None},
        {"id": {}},
        [{"role": []}],
    ]
    rng = random.Random(14)
    for chat in [*CHATS, *open_webui({"q": {"id": "q", "parentId": None, "role": "user", "content": "q"}})]:
        places = list(_places(chat))
        for keys in rng.sample(places, min(len(places), 60)):
            for value in odd:
                changed = json.loads(json.dumps(chat))
                inner = changed
                for key in keys[:-1]:
                    inner = inner[key]
                inner[keys[-1]] = value
                chats, unread = found_in([changed, CHATS[0]])
                assert len(chats) + len(unread) >= 2, (keys, value)
                assert path(chats[-1]) == Q_AND_A


def _places(value: Any, keys: tuple[Any, ...] = ()) -> Any:
    if keys:
        yield keys
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*keys, key))


def test_an_archive_with_files_of_several_programs() -> None:
    files: dict[str, object] = {
        **{"export/conversations.json": CHATS, "../../etc/one.json": CHATS[0], "lines.jsonl": raw(CHATS[0]) + b"\n"},
        **{"user.json": {"id": 1}, "chat.html": b"<p>", "picture.png": b"\x89PNG", "__MACOSX/._x.json": b"x"},
        **{"bad.json": b"{", "other.json": {"a": 1}},
    }
    chats, unread = found_in(zipped(files))
    assert len(chats) == len(CHATS) + 2
    assert {(one.name, one.reason) for one in unread} == {("bad.json", "broken"), ("other.json", "no_messages")}


def test_archives_that_unpack_to_too_much_are_not_read() -> None:
    huge = raw({"messages": [{"role": "user", "content": "x" * 1_000_000}]})
    chats, unread = found_in(zipped({"a.json": huge, "b.json": CHATS[0]}), max_bytes=100_000)
    assert [path(one) for one in chats] == [Q_AND_A]
    assert [(one.name, one.reason) for one in unread] == [("a.json", "too_large")]
    many = {f"{n:03}.json": raw({"messages": [{"role": "user", "content": "x" * 90_000}]}) for n in range(40)}
    chats, unread = found_in(zipped(many), max_bytes=100_000)
    assert len(chats) < 25, "all files together are limited too"
    assert {one.reason for one in unread} == {"too_large"}


def test_an_archive_that_lies_about_its_sizes_is_not_believed() -> None:
    archive = bytearray(zipped({"a.json": raw({"messages": [{"role": "user", "content": "x" * 1_000_000}]})}))
    at = archive.rindex(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
    archive[at : at + 4] = (100).to_bytes(4, "little")
    chats, unread = found_in(bytes(archive), max_bytes=100_000)
    assert (chats, [one.reason for one in unread]) == ([], ["broken"])


def test_reading_stops_after_many_records_that_are_no_chats() -> None:
    for nothing in (b"1", b"[]", b'{"a": 1}'):
        chats, unread = found_in(b"[" + (nothing + b",") * 50_000 + raw(CHATS[0]) + b"]")
        assert (len(chats), len(unread)) == (0, MAX_SKIPPED)
    chats, unread = found_in(b"x\n" * 50_000)
    assert (len(chats), len(unread)) == (0, MAX_SKIPPED)
