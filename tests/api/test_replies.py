from __future__ import annotations

import socket
import threading
import time
from typing import Any

import httpx
import psutil
import pytest

from tests.api.conftest import LONG
from tests.support.servers import Api, Event, read_events


def follow(api: Api, conversation_id: str, out: list[Event], stop_at: str, last_event_id: str | None = None) -> None:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    with httpx.stream(
        "GET", f"{api.url}/api/conversations/{conversation_id}/events", headers=headers, timeout=20, verify=False
    ) as r:
        assert r.status_code == 200
        for event in read_events(r):
            out.append(event)
            if event.name == stop_at:
                return


def subscribed(api: Api, conversation_id: str, stop_at: str = "finished") -> tuple[threading.Thread, list[Event]]:
    """A subscriber in a thread that has seen its snapshot."""
    events: list[Event] = []
    thread = threading.Thread(target=follow, args=(api, conversation_id, events, stop_at))
    thread.start()
    while not events:
        time.sleep(0.005)
    return thread, events


def text_of(events: list[Event], message_id: str) -> str:
    text = ""
    for event in events:
        if event.name == "delta" and event.data["message_id"] == message_id:
            assert event.data["offset"] == len(text), "a delta was lost, doubled or reordered"
            text += event.data["text"]
    return text


def test_subscribers_are_told_everything_in_order(api: Api) -> None:
    conversation = api.conversation()
    subscribers = [subscribed(api, conversation) for _ in range(3)]
    asked = api.ask(conversation, "characters please")
    stored = api.finished(conversation, asked["reply"]["id"])
    for thread, events in subscribers:
        thread.join(10)
        names = [e.name for e in events if e.name not in ("delta", "heartbeat")]
        assert names == ["snapshot", "message", "message", "updated", "started", "finished"]
        assert text_of(events, asked["reply"]["id"]) == stored["content"] == "你好，世界 👩‍👩‍👧 naïve 🎉 末尾"
        assert not any("�" in str(e.data) for e in events)


def test_the_answer_to_a_post_can_be_the_replys_own_events(api: Api) -> None:
    conversation = api.conversation()
    api.ask(conversation, "slow")  # another reply in the same conversation is not told here
    body = {"content": "Hello there"}
    headers = {"Accept": "text/event-stream"}
    with api.http.stream("POST", f"/api/conversations/{conversation}/messages", json=body, headers=headers) as r:
        events = list(read_events(r))
    assert r.headers["content-type"].startswith("text/event-stream")
    reply_id = events[0].data["message"]["id"]
    assert events[0].name == "message"
    assert events[-1].name == "finished"
    assert text_of(events, reply_id) == "You said: Hello there"
    assert {e.data.get("message_id", reply_id) for e in events} == {reply_id}


def test_a_stream_resumes_without_loss(api: Api) -> None:
    conversation = api.conversation()
    reply_id = api.ask(conversation, "slow")["reply"]["id"]
    first: list[Event] = []
    follow(api, conversation, first, stop_at="delta")
    time.sleep(0.2)
    second: list[Event] = []
    follow(api, conversation, second, stop_at="finished", last_event_id=first[-1].id)
    assert "snapshot" not in [e.name for e in second], "a replay is enough"
    assert text_of(second, reply_id) == LONG  # from the beginning again: a renderer has nothing kept
    assert api.messages(conversation)[reply_id]["content"] == LONG


def test_what_ended_meanwhile_is_told_on_resuming(api: Api) -> None:
    conversation = api.conversation()
    before = api.http.get(f"/api/conversations/{conversation}").json()["event_id"]
    api.answer(conversation, "Hello")
    events: list[Event] = []
    follow(api, conversation, events, stop_at="heartbeat", last_event_id=before)
    assert [e.name for e in events if e.name != "delta"] == [
        "message", "message", "updated", "started", "finished", "heartbeat"
    ]  # fmt: skip
    reply_id = next(e for e in events if e.name == "finished").data["message_id"]
    assert text_of(events, reply_id) == "You said: Hello"


@pytest.mark.parametrize("place", ["nonsense", "00000000-3", "1-1", "-", "x" * 64])
def test_an_unknown_place_is_answered_with_a_reset(api: Api, place: str) -> None:
    events: list[Event] = []
    follow(api, api.conversation(), events, stop_at="heartbeat", last_event_id=place)
    assert [e.name for e in events] == ["reset", "snapshot", "heartbeat"]


def test_subscribers_that_come_and_go_leave_nothing_behind(api: Api) -> None:
    conversation = api.conversation()
    api.ask(conversation, "slow")
    before = psutil.Process().num_fds()
    for n in range(100):
        with socket.create_connection(httpx.URL(api.url).netloc.decode().split(":")) as s:
            s.sendall(f"GET /api/conversations/{conversation}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            if n % 3:
                s.recv(4096)
    deadline = time.monotonic() + 5
    while api.parts.conversations.subscribers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert api.parts.conversations.subscribers == 0
    assert psutil.Process().num_fds() <= before + 3


def test_silence_is_filled_with_heartbeats(api: Api) -> None:
    events: list[Event] = []
    follow(api, api.conversation(), events, stop_at="heartbeat")
    assert [e.name for e in events] == ["snapshot", "heartbeat"]


def test_stop_ends_at_once_and_keeps_the_text(api: Api) -> None:
    conversation = api.conversation()
    reply_id = api.ask(conversation, "slow")["reply"]["id"]
    thread, events = subscribed(api, conversation)
    while not any(e.name == "delta" for e in events):
        time.sleep(0.01)
    stopped = api.http.post(f"/api/messages/{reply_id}/stop").json()
    assert (stopped["state"], stopped["finish_reason"]) == ("cancelled", "cancelled")
    assert LONG.startswith(stopped["content"])
    assert stopped["content"]
    thread.join(10)
    assert events[-1].data["message"]["content"] == stopped["content"]
    assert api.http.post(f"/api/messages/{reply_id}/stop").status_code == 409


def test_regenerate_and_edit_keep_all_versions(api: Api) -> None:
    conversation = api.conversation()
    asked = api.ask(conversation, "Hello")
    first = api.finished(conversation, asked["reply"]["id"])
    second = api.http.post(f"/api/messages/{first['id']}/regenerate").json()["reply"]
    api.finished(conversation, second["id"])
    edited = api.http.post(f"/api/messages/{asked['question']['id']}/edit", json={"content": "Bye"}).json()
    api.finished(conversation, edited["reply"]["id"])
    tree = api.messages(conversation)
    assert tree[second["id"]]["parent_id"] == tree[first["id"]]["parent_id"] == asked["question"]["id"]
    assert tree[edited["question"]["id"]]["parent_id"] is None
    assert len(tree) == 5
    follow_up = api.answer(conversation, "Go on", parent_id=first["id"])
    assert api.messages(conversation)[follow_up["parent_id"]]["parent_id"] == first["id"]


def test_a_stopped_reply_can_be_continued(api: Api) -> None:
    conversation = api.conversation()
    reply_id = api.ask(conversation, "slow")["reply"]["id"]
    time.sleep(0.2)
    stopped = api.http.post(f"/api/messages/{reply_id}/stop").json()
    more = api.http.post(f"/api/messages/{reply_id}/continue").json()["reply"]
    done = api.finished(conversation, more["id"])
    assert more["continues_id"] == reply_id
    assert done["content"].startswith(stopped["content"])
    assert len(done["content"]) > len(stopped["content"])
    assert api.messages(conversation)[reply_id]["content"] == stopped["content"]


def test_a_failing_reply_tells_why_keeps_its_text_and_disturbs_nobody(api: Api) -> None:
    conversation, other = api.conversation(), api.conversation()
    neighbour = api.ask(other, "slow")["reply"]["id"]
    thread, events = subscribed(api, conversation, stop_at="error")
    reply_id = api.ask(conversation, "fail now")["reply"]["id"]
    thread.join(10)
    assert events[-1].data["error"] == {"code": "generation_failed", "message": "The script says so.", "details": {}}
    failed = api.messages(conversation)[reply_id]
    assert (failed["state"], failed["content"]) == ("failed", "half an ")
    assert api.finished(other, neighbour)["content"] == LONG


def test_after_the_worker_died_the_next_question_is_answered(api: Api) -> None:
    conversation, other = api.conversation(), api.conversation()
    neighbour = api.ask(other, "slow")["reply"]["id"]
    dead = api.finished(conversation, api.ask(conversation, "die now")["reply"]["id"])
    assert dead["error"]["code"] == "worker_died"
    assert api.finished(other, neighbour)["error"]["code"] == "worker_died"
    assert api.answer(api.conversation(), "Hello")["content"] == "You said: Hello"


def test_a_full_queue_answers_503_with_a_time_and_writes_nothing(api: Api) -> None:
    hanging = [(c, api.ask(c, "hang")["reply"]["id"]) for c in (api.conversation() for _ in range(6))]
    full = api.conversation()
    answer = api.http.post(f"/api/conversations/{full}/messages", json={"content": "me too"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["code"] == "queue_full"
    assert api.messages(full) == {}
    events: list[Event] = []
    follow(api, hanging[5][0], events, stop_at="snapshot")
    assert events[0].data["running"][0]["position"] == 2
    for _, reply_id in hanging[::-1]:
        assert api.http.post(f"/api/messages/{reply_id}/stop").status_code == 200
    assert api.answer(full, "Hello")["content"] == "You said: Hello"


def test_a_text_too_long_is_refused_before_anything_is_written(api: Api) -> None:
    conversation = api.conversation()
    answer = api.http.post(f"/api/conversations/{conversation}/messages", json={"content": "word " * 600})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "prompt_too_long"
    assert answer.json()["error"]["details"]["context_tokens"] == 512
    assert api.messages(conversation) == {}


def test_old_turns_are_dropped_whole_and_the_client_is_told(api: Api) -> None:
    conversation = api.conversation(sampling={"max_new_tokens": 64})
    leaf = None
    for n in range(6):
        reply = api.answer(conversation, f"question{n} " + "filler " * 100, leaf)
        leaf = reply["id"]
    assert reply["dropped_turns"] > 0
    assert reply["dropped_turns"] % 2 == 0


def test_a_client_that_goes_away_does_not_stop_the_reply(api: Api) -> None:
    conversation = api.conversation()
    headers = {"Accept": "text/event-stream"}
    with httpx.stream(
        "POST", f"{api.url}/api/conversations/{conversation}/messages", json={"content": "slow"}, headers=headers
    ) as r:
        next(r.iter_raw())
    (reply_id,) = (m["id"] for m in api.messages(conversation).values() if m["role"] == "assistant")
    assert api.finished(conversation, reply_id)["content"] == LONG


def test_questions_must_fit_into_the_tree(api: Api) -> None:
    conversation, other = api.conversation(), api.conversation()
    asked = api.ask(conversation, "slow")
    elsewhere = api.answer(other, "Hello")

    def status(path: str, body: dict[str, Any]) -> int:
        return api.http.post(path, json=body).status_code

    url = f"/api/conversations/{conversation}/messages"
    assert status(url, {"content": "x", "parent_id": asked["reply"]["id"]}) == 409  # still running
    assert status(url, {"content": "x", "parent_id": asked["question"]["id"]}) == 422
    assert status(url, {"content": "x", "parent_id": elsewhere["id"]}) == 404
    assert status(url, {"content": "  \n"}) == 422
    assert status(url, {"content": "x", "model_id": "nobody"}) == 404
    assert status(f"/api/messages/{asked['reply']['id']}/edit", {"content": "x"}) == 422
    assert status(f"/api/messages/{asked['question']['id']}/continue", {}) == 422


def test_two_tabs_asking_at_once_both_get_their_branch(api: Api) -> None:
    conversation = api.conversation()
    first = api.answer(conversation, "Hello")
    replies: list[dict[str, Any]] = []

    def ask(n: int) -> None:
        with httpx.Client(base_url=api.url, timeout=20, verify=False) as http:
            body = {"content": f"tab {n}", "parent_id": first["id"]}
            replies.append(http.post(f"/api/conversations/{conversation}/messages", json=body).json())

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]  # as many as run and wait at once
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for found in replies:
        assert (
            api.finished(conversation, found["reply"]["id"])["content"] == f"You said: {found['question']['content']}"
        )
    assert len(api.messages(conversation)) == 2 + 2 * 6


def test_ratings_are_kept_and_can_be_taken_back(api: Api) -> None:
    conversation = api.conversation()
    asked = api.ask(conversation, "Hello")
    reply = api.finished(conversation, asked["reply"]["id"])
    url = f"/api/messages/{reply['id']}/rating"
    assert api.http.put(url, json={"verdict": "up"}).json()["verdict"] == "up"
    down = {"verdict": "down", "reasons": ["wrong", "too_long"], "comment": "不对", "score": 3}
    assert api.http.put(url, json=down).status_code == 200
    shown = api.messages(conversation)[reply["id"]]["rating"]
    assert {k: shown[k] for k in down} == down
    assert api.http.put(url, json={"verdict": "retracted"}).status_code == 200
    assert api.messages(conversation)[reply["id"]]["rating"] is None
    for bad in ({"verdict": "maybe"}, {"verdict": "up", "score": 11}, {"verdict": "up", "reasons": ["dull"]}, {}):
        assert api.http.put(url, json=bad).status_code == 422
    question_url = f"/api/messages/{asked['question']['id']}/rating"
    assert api.http.put(question_url, json={"verdict": "up"}).status_code == 422


def test_a_reply_without_a_question_cannot_be_made_again(api: Api) -> None:
    made = api.http.post("/api/conversations/import", json={"messages": [{"role": "assistant", "content": "Hi."}]})
    for what in ("regenerate", "continue"):
        answer = api.http.post(f"/api/messages/{made.json()['leaf_id']}/{what}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


def test_taking_a_conversation_out_of_the_trash_is_told(api: Api) -> None:
    conversation = api.conversation(title="Back again")
    thread, events = subscribed(api, conversation, stop_at="updated")
    api.http.delete(f"/api/conversations/{conversation}")
    api.http.post(f"/api/conversations/{conversation}/restore")
    thread.join(10)
    assert [e.name for e in events if e.name != "heartbeat"] == ["snapshot", "deleted", "updated"]


def test_what_no_database_can_hold_is_replaced_in_a_reply(api: Api) -> None:
    conversation = api.conversation()
    assert api.answer(conversation, "zero byte please")["content"] == "a\ufffdb"


def test_another_version_shown_is_kept_but_told_to_nobody(api: Api) -> None:
    conversation = api.conversation()
    first = api.answer(conversation, "Hello")
    again = api.http.post(f"/api/messages/{first['id']}/regenerate").json()["reply"]
    api.finished(conversation, again["id"])
    url = f"/api/conversations/{conversation}"
    place = api.http.get(url).json()["event_id"]
    assert api.http.patch(url, json={"leaf_id": first["id"]}).json()["leaf_id"] == first["id"]
    api.http.patch(url, json={"pinned": True})
    events: list[Event] = []
    follow(api, conversation, events, stop_at="updated", last_event_id=place)
    assert [(e.name, e.data["conversation"]["pinned"]) for e in events] == [("updated", True)]
    assert api.http.get(url).json()["leaf_id"] == first["id"]


def test_a_failed_reply_says_the_same_when_it_is_read_again(api: Api) -> None:
    failed = api.answer(api.conversation(), "never start")
    assert failed["error"] == {
        "code": "worker_failed",
        "message": "It would not start.",
        "details": {"model_id": "test"},
    }
    assert (failed["model_id"], failed["imported_model"]) == ("test", None)
