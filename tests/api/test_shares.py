"""Shared conversations: what a link shows, to whom, and for how long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.engine.scripted import Reply, rules
from app.main import create_app
from frontends.client import ParleyClient
from frontends.gradio import run_with
from frontends.view.render_process import RenderProcess
from frontends.view.renderings import Renderings
from frontends.view.shared import page as shared_page
from tests.support.people import People, Person
from tests.support.servers import Api, running, scripted_engines, scripted_settings

SCRIPT = rules(
    ("table", Reply.of("**bold** <script>alert(1)</script> and ![x](http://canary.example/x.png)\n\n- one\n- two")),
    ("hang", Reply(("waiting ",), hangs=True)),
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with accounts and the page of shared conversations."""
    settings = scripted_settings(tmp_path_factory.mktemp("shares"), login=True, user_requests_per_minute=0)
    app = create_app(settings, scripted_engines(SCRIPT))
    process, url = RenderProcess(), [""]
    client = ParleyClient(lambda: url[0])
    run_with(app, client, process)
    app.mount("/shared", Starlette(routes=shared_page.create_routes(client, Renderings(process))))
    with running(app, settings) as found:
        url[0] = found.url
        yield found


@pytest.fixture(scope="module")
def people(api: Api) -> Iterator[People]:
    found = People(api.url, api.parts.auth.first_link)
    yield found
    found.close()


@pytest.fixture(scope="module")
def ann(people: People) -> Person:
    return people.first()


@pytest.fixture
def reader(people: People) -> httpx.Client:
    """Somebody who is not signed in."""
    return people.nobody()


def finished(person: Person, content: str, **values: Any) -> str:
    """A conversation with one finished reply."""
    conversation = person.conversation(**values)
    person.ask(conversation, content)
    while person.http.get(f"/api/conversations/{conversation}").json()["messages"][-1]["state"] == "pending":
        pass  # the scripted engine answers at once; otherwise the test times out
    return conversation


def share(person: Person, conversation: str, **options: Any) -> str:
    answer = person.http.post(f"/api/conversations/{conversation}/shares", json=options)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["path"])


def test_a_link_shows_the_conversation_and_nothing_else(ann: Person, reader: httpx.Client) -> None:
    conversation = finished(ann, "table", title="Tea & <b>milk</b>", system_prompt="a secret prompt")
    messages = ann.http.get(f"/api/conversations/{conversation}").json()["messages"]
    ann.http.put(f"/api/messages/{messages[1]['id']}/rating", json={"verdict": "down", "comment": "a private comment"})
    answer = reader.get(share(ann, conversation), headers={"accept-language": "en"})
    assert answer.status_code == 200
    assert "<strong>bold</strong>" in answer.text
    assert "Tea &amp; &lt;b&gt;milk&lt;/b&gt;" in answer.text
    hidden = ("secret prompt", "private comment", "ann", conversation, messages[0]["id"], "<script>alert", 'src="http')
    assert [text for text in hidden if text in answer.text] == []
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"  # with none, a form's Origin would be null
    assert 'name="robots" content="noindex' in answer.text
    files = re.findall(r'(?:href|src)="\./(static/[^"]+)"', answer.text)
    assert len(files) == 2
    assert all(reader.get(f"/shared/{name}").status_code == 200 for name in files)
    assert reader.get("/shared/static/page.py").status_code == 404


def test_it_is_frozen(ann: Person, reader: httpx.Client) -> None:
    conversation = finished(ann, "table")
    link = share(ann, conversation)
    before = reader.get(link).text
    ann.ask(conversation, "said afterwards")
    ann.http.patch(f"/api/conversations/{conversation}", json={"title": "renamed afterwards"})
    assert reader.get(link).text == before


def test_its_language_is_the_readers(ann: Person, reader: httpx.Client) -> None:
    link = share(ann, finished(ann, "table"), with_name=True)
    chinese = reader.get(link, headers={"accept-language": "zh-CN,zh;q=0.9"}).text
    assert "ann 分享于" in chinese
    assert 'lang="zh-CN"' in chinese
    assert "Shared by ann" in reader.get(link, headers={"accept-language": "fr"}).text


def test_a_passcode_is_asked_for_and_cannot_be_guessed(people: People, ann: Person, reader: httpx.Client) -> None:
    conversation = finished(ann, "table")
    link = share(ann, conversation, passcode="1234")
    asked = reader.get(link)
    assert (asked.status_code, "bold" in asked.text) == (403, False)
    assert 'name="passcode"' in asked.text
    assert reader.post(f"{link}/chat.json").status_code == 403
    own_form = {"origin": str(reader.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    right = reader.post(link, data={"passcode": "1234"}, headers=own_form)
    assert (right.status_code, "bold" in right.text) == (200, True)
    statuses = [
        people.nobody(**{"x-forwarded-for": f"10.1.1.{n}"}).post(link, data={"passcode": f"{n:04}"}).status_code
        for n in range(8)
    ]
    assert statuses == [403] * 5 + [429] * 3
    other = share(ann, conversation, passcode="1234")  # one link's guesses are not another's
    assert reader.post(other, data={"passcode": "1234"}).status_code == 200


@pytest.mark.parametrize("token", ["x", "x" * 43, "../api/users", "%00", "é", "a" * 5000])
def test_an_unknown_link_is_a_sentence(reader: httpx.Client, token: str) -> None:
    answer = reader.get(f"/shared/{token}")
    assert answer.status_code in (401, 404, 422)
    assert "Traceback" not in answer.text


def test_withdrawn_expired_and_deleted_links_show_nothing(
    api: Api, ann: Person, reader: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = finished(ann, "table")
    url = f"/api/conversations/{conversation}/shares"
    link, short = share(ann, conversation), share(ann, conversation, valid_hours=1)
    assert len(ann.http.get(url).json()) == 2
    assert "path" not in ann.http.get(url).json()[0]
    newest = ann.http.get(url).json()[0]["id"]
    assert ann.http.delete(f"/api/shares/{newest}").status_code == 204
    assert reader.get(short).status_code == 404
    assert reader.get(link).status_code == 200
    ann.http.delete(f"/api/conversations/{conversation}")
    assert reader.get(link).status_code == 404  # in the trash
    ann.http.post(f"/api/conversations/{conversation}/restore")
    assert reader.get(link).status_code == 200

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz or UTC) + timedelta(days=8)

    monkeypatch.setattr("app.store.repositories.shares.datetime", Later)
    assert reader.get(link).status_code == 404
    assert "expired" in reader.get(link, headers={"accept-language": "en"}).text


def test_the_download_continues_in_another_parley(people: People, ann: Person, reader: httpx.Client) -> None:
    link = share(ann, finished(ann, "table", title="Tea"))
    file = reader.post(f"{link}/chat.json")
    assert file.headers["content-disposition"].startswith("attachment")
    bob = people.invite(ann, "member", "bob")
    imported = bob.http.post("/api/conversations/import", content=file.content).json()
    assert imported["title"] == "Tea"
    found = bob.http.get(f"/api/conversations/{imported['id']}").json()["messages"]
    assert [(m["role"], m["imported_model"]) for m in found] == [("user", None), ("assistant", "test")]


def test_what_cannot_be_shared(people: People, ann: Person) -> None:
    empty = ann.conversation()
    refused = ann.http.post(f"/api/conversations/{empty}/shares", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "conversation_not_found") or (
        refused.status_code == 422
    )
    for wrong in ({"passcode": "123"}, {"valid_hours": 0}, {"valid_hours": 10**9}, {"leaf_id": ""}):
        assert ann.http.post(f"/api/conversations/{empty}/shares", json=wrong).status_code == 422
    carl = people.invite(ann, "member", "carl")
    theirs = finished(carl, "table")
    assert ann.http.post(f"/api/conversations/{theirs}/shares", json={}).status_code == 404
    link_id = carl.http.post(f"/api/conversations/{theirs}/shares", json={}).json()["id"]
    assert ann.http.delete(f"/api/shares/{link_id}").status_code == 404
    assert len(carl.http.get(f"/api/conversations/{theirs}/shares").json()) == 1


def test_a_reply_that_is_still_written_is_not_shared(ann: Person, reader: httpx.Client) -> None:
    conversation = ann.conversation()
    ann.ask(conversation, "hang")
    page = reader.get(share(ann, conversation)).text
    assert "hang" in page
    assert "waiting" not in page


def test_a_link_on_another_site_opens_it(ann: Person, reader: httpx.Client) -> None:
    link = share(ann, finished(ann, "table"))
    by_a_link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert reader.get(link, headers=by_a_link).status_code == 200
    assert reader.get(link, headers=by_a_link | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert reader.get("/api/shared", headers=by_a_link).status_code == 403


def test_the_secret_is_nowhere_in_the_data(api: Api, ann: Person, tmp_path: Path) -> None:
    token = share(ann, finished(ann, "table"), passcode="open sesame 77").rpartition("/")[2]
    written = b"".join(f.read_bytes() for f in api.parts.settings.data_dir.rglob("*") if f.is_file())
    assert token.encode() not in written
    assert b"open sesame 77" not in written
