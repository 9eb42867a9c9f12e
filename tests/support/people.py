"""People with accounts on a server of a test: each signed in, in a browser of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

PASSWORD = "kettle-boat-9-{}"


@dataclass
class Person:
    """Somebody who is signed in; `http` sends their cookie."""

    username: str
    http: httpx.Client
    id: str

    @property
    def password(self) -> str:
        return PASSWORD.format(self.username)

    def conversation(self, **values: Any) -> str:
        answer = self.http.post("/api/conversations", json=values)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ask(self, conversation_id: str, content: str) -> dict[str, Any]:
        body = {"content": content, "parent_id": None}
        answer = self.http.post(f"/api/conversations/{conversation_id}/messages", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def key(self, *scopes: str) -> str:
        answer = self.http.post("/api/account/keys", json={"name": "notes", "scopes": list(scopes)})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])


@dataclass
class People:
    """The accounts of a server at `url` that was started with ``login`` and offers `first_link`."""

    url: str
    first_link: str | None
    clients: list[httpx.Client] = field(default_factory=list)

    def nobody(self, **headers: str) -> httpx.Client:
        """A browser or program that has no cookie."""
        client = httpx.Client(base_url=self.url, timeout=20, verify=False, headers=headers)
        self.clients.append(client)
        return client

    def first(self, username: str = "ann") -> Person:
        """The first administrator, by the link that the start prints."""
        assert self.first_link is not None
        return self.join(self.first_link, username)

    def invite(self, admin: Person, role: str, username: str) -> Person:
        """Somebody whom `admin` has invited."""
        answer = admin.http.post("/api/links", json={"role": role})
        assert answer.status_code == 201, answer.text
        return self.join(answer.json()["path"].partition("#")[2], username)

    def join(self, token: str, username: str) -> Person:
        """Somebody who used an invitation."""
        http = self.nobody()
        body = {"token": token, "username": username, "password": PASSWORD.format(username)}
        answer = http.post("/api/links/use", json=body)
        assert answer.status_code == 201, answer.text
        return Person(username, http, answer.json()["user"]["id"])

    def sign_in(self, person: Person) -> httpx.Client:
        """Another browser of somebody."""
        http = self.nobody()
        answer = http.post("/api/session", json={"username": person.username, "password": person.password})
        assert answer.status_code == 200, answer.text
        return http

    def close(self) -> None:
        for client in self.clients:
            client.close()
