"""What was imported from a file of training data goes in one step, with everything that was made of it."""

from __future__ import annotations

from typing import Any

from tests.api.test_datasets import built
from tests.support.chat_files import raw
from tests.support.servers import Api

FILES = "/api/imported-files"
CHAT = {"title": "Mine", "messages": [{"role": "user", "content": "q"}]}


def pairs(count: int, about: str) -> list[dict[str, str]]:
    return [{"prompt": f"{about} {n}", "chosen": "good", "rejected": "bad"} for n in range(count)]


def imported(api: Api, name: str, records: Any) -> dict[str, Any]:
    answer = api.http.post("/api/conversations/import", params={"name": name}, content=raw(records))
    assert answer.status_code == 201, answer.text
    report: dict[str, Any] = answer.json()["report"]
    return report


def judgements(api: Api) -> int:
    count: int = api.http.get("/api/feedback/statistics").json()["judgements"]
    return count


def test_a_file_is_removed_with_its_judgements_and_makes_datasets_stale(api: Api) -> None:
    imported(api, "tea.jsonl", pairs(205, "tea"))
    imported(api, "coffee.jsonl", pairs(2, "coffee"))
    imported(api, "chat.json", CHAT)
    coffee = {"name": "coffee.jsonl", "rows": 2}
    assert api.http.get(FILES).json()["items"] == [coffee, {"name": "tea.jsonl", "rows": 205}]
    assert built(api, "drinks")["stale"] == {}
    assert judgements(api) == 207

    assert api.http.delete(FILES, params={"name": "tea.jsonl"}).json() == {"rows": 205}
    assert api.http.get(FILES).json()["items"] == [coffee]
    assert judgements(api) == 2
    assert api.http.get("/api/datasets/drinks").json()["stale"] == {"deleted": 205}
    assert api.http.post("/api/datasets/preview", json={}).json()["conversations"] == 2
    assert [chat["title"] for chat in api.http.get("/api/conversations").json()["items"]] == ["Mine"]
    assert imported(api, "tea.jsonl", pairs(205, "tea"))["rows"] == 205, "it can be imported again"


def test_a_file_of_which_nothing_is_stored(api: Api) -> None:
    imported(api, "chat.json", CHAT)
    for name in ("no.jsonl", "chat.json", ""):
        refused = api.http.delete(FILES, params={"name": name})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "imported_file_not_found")
    assert api.http.get(FILES).json() == {"items": []}
    assert len(api.http.get("/api/conversations").json()["items"]) == 1
