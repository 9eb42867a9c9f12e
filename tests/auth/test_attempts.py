from __future__ import annotations

import pytest

from app.auth.attempts import BURST, PAUSE_S, Attempts
from app.errors import TooManyAttempts, WrongPassword


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(attempts: Attempts, *subjects: str) -> bool:
    """Guess wrong; false if it was not even compared."""
    try:
        with attempts.attempt(*subjects):
            raise WrongPassword("no")
    except TooManyAttempts:
        return False
    except WrongPassword:
        return True


def test_five_at_once_then_one_a_minute() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    assert sum(fail(attempts, "ann") for _ in range(100)) == BURST
    compared = 0
    for _ in range(600):  # ten minutes of a guess each second
        clock.now += 1
        compared += fail(attempts, "ann")
    assert compared == 600 / PAUSE_S


@pytest.mark.parametrize("addresses", [1, 1000])
def test_an_account_is_guarded_however_many_addresses_guess(addresses: int) -> None:
    attempts = Attempts(Clock())
    assert sum(fail(attempts, "account ann", f"address {n % addresses}") for n in range(1000)) == BURST


def test_an_address_is_guarded_however_many_accounts_it_tries() -> None:
    attempts = Attempts(Clock())
    assert sum(fail(attempts, f"account {n}", "address 1") for n in range(1000)) == BURST
    assert fail(attempts, "account 2000", "address 2")


def test_guesses_at_the_same_time_count_too() -> None:
    attempts = Attempts(Clock())
    entered = [attempts.attempt("ann") for _ in range(BURST)]
    for one in entered:
        one.__enter__()
    assert not fail(attempts, "ann")


def test_success_and_other_errors_do_not_count() -> None:
    attempts = Attempts(Clock())
    for _ in range(3 * BURST):
        with attempts.attempt("ann"):
            pass
        with pytest.raises(KeyError), attempts.attempt("ann"):
            raise KeyError
    assert fail(attempts, "ann")


def test_a_refusal_says_when_to_come_back() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(BURST):
        fail(attempts, "ann")
    clock.now = 15.0
    with pytest.raises(TooManyAttempts) as refused, attempts.attempt("ann"):
        pass
    assert refused.value.details == {"retry_after_s": PAUSE_S - 15}


def test_memory_is_bounded() -> None:
    attempts = Attempts(Clock())
    for n in range(30_000):
        fail(attempts, f"account {n}")
    assert len(attempts._buckets) <= 10_000
