"""``parley users``: accounts from the terminal, with and without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import build
from tests.support.people import People
from tests.support.servers import scripted_settings, serving

GOOD = "kettle-boat-9\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PARLEY_PORT", "9000")
    monkeypatch.delenv("PARLEY_DATABASE_URL", raising=False)
    return tmp_path


def run(*args: str, text: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(build(), ["users", *args], input=text)
    return result.exit_code, result.stdout, result.stderr


def test_the_first_account_is_made_before_any_server_has_run() -> None:
    code, said, _ = run("add", "Ann", "--password-stdin", text=GOOD)
    assert (code, said) == (0, "ann can sign in now (admin).\n")
    code, said, _ = run("list")
    assert code == 0
    assert "ann" in said
    assert "admin" in said
    code, _, problem = run("add", "ANN", "--password-stdin", text=GOOD)
    assert code == 2
    assert "already" in problem


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        (("add", "ann", "--role", "member", "--password-stdin"), GOOD, "has to be an administrator"),
        (("add", "ann", "--password-stdin"), "12345678\n", "easy to guess"),
        (("add", "a b", "--password-stdin"), GOOD, "no spaces"),
        (("add", "ann"), GOOD, "no terminal"),
        (("invite", "--role", "guest"), "", "has to be an administrator"),
        (("reset", "nobody"), "", "no database"),
        (("invite", "--hours", "100000"), "", "720"),
        (("role", "ann", "king"), "", "king"),
    ],
)
def test_what_is_wrong_is_told_with_exit_code_2(arguments: tuple[str, ...], text: str, words: str) -> None:
    code, _, problem = run(*arguments, text=text)
    assert code == 2
    assert words in " ".join(problem.split())


def test_the_last_administrator_stays() -> None:
    run("add", "ann", "--password-stdin", text=GOOD)
    for arguments in (("disable", "ann"), ("role", "ann", "member")):
        code, _, problem = run(*arguments)
        assert code == 2
        assert "only administrator" in problem
    assert run("disable", "bob")[0] == 2


def test_a_running_server_notices_what_a_command_does(folder: Path) -> None:
    with serving(scripted_settings(folder)) as api:
        assert api.http.get("/api/info").json()["login"] is False
        assert run("add", "ann", "--password-stdin", text=GOOD)[0] == 0
        while api.http.get("/api/info").status_code != 401:
            pass  # it looks every two seconds; without it the test times out
        code, said, _ = run("invite", "--note", "for Bob")
        assert code == 0
        link = said.split()[0]
        assert link.startswith("http://127.0.0.1:9000/login#")
        people = People(api.url, None)
        bob = people.join(link.partition("#")[2], "bob")
        assert bob.http.get("/api/info").json()["user"]["role"] == "member"
        run("disable", "bob")
        assert bob.http.get("/api/info").status_code == 401
        run("enable", "bob")
        assert people.sign_in(bob).get("/api/info").status_code == 200
        code, said, _ = run("reset", "bob")
        body = {"token": said.split()[0].partition("#")[2], "password": "brand-new-kettle-1"}
        assert people.nobody().post("/api/links/use", json=body).json()["user"]["username"] == "bob"
        people.close()
