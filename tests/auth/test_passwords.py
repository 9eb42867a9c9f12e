from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher

from app.auth.passwords import Passwords, require_strong
from app.errors import TooManyRequests, WeakPassword

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "short"),
        ("7 chars", "short"),
        ("password1", "easy"),
        ("12345678", "easy"),
        ("qwertyuiop", "easy"),
        ("annlee2024", "easy"),
        ("aaaaaaaaaaaaaaaaaaaa", "easy"),
        ("x" * 300, "long"),
    ],
)
def test_what_somebody_guesses_first_is_refused(password: str, why: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        require_strong(password, "annlee", "Ann Lee")
    assert refused.value.details["why"] == why


@pytest.mark.parametrize(
    "password", ["kettle-boat-9", "correct horse battery staple", "山不在高有仙则名水不在深", "p" * 40 + "é" * 40]
)
def test_long_and_unusual_ones_are_not(password: str) -> None:
    if password.startswith("p"):
        password = "".join(chr(97 + (7 * n * n + n) % 26) for n in range(200))  # longer than what is judged
    require_strong(password, "annlee")


@pytest.mark.anyio
async def test_a_checksum_fits_its_password_only() -> None:
    passwords = Passwords(CHEAP)
    one, again = await passwords.checksum("kettle-boat-9"), await passwords.checksum("kettle-boat-9")
    assert one != again  # salted
    assert one.startswith("$argon2id$")
    assert await passwords.matches(one, "kettle-boat-9")
    assert not await passwords.matches(one, "kettle-boat-8")
    assert not await passwords.matches(None, "nobody's password")
    assert not await passwords.matches("not a checksum", "kettle-boat-9")


@pytest.mark.anyio
async def test_few_are_computed_at_once_and_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(CHEAP)
    running, most, gate = 0, 0, asyncio.Event()

    async def held(work: object) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return False

    monkeypatch.setattr(asyncio, "to_thread", held)
    asked = [asyncio.ensure_future(passwords.matches(None, "x")) for _ in range(30)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert most == 2
    assert sum(isinstance(result, TooManyRequests) for result in results) == 10
    assert sum(result is False for result in results) == 20
