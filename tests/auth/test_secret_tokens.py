from __future__ import annotations

import pytest

from app.auth.secret_tokens import KeyText, checksum, new_token


def test_a_key_is_read_back_and_keeps_its_secret_to_itself() -> None:
    key = KeyText.new()
    assert KeyText.parse(str(key)) == key
    assert key.secret not in repr(key)
    assert len({new_token() for _ in range(100)}) == 100
    assert checksum("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


@pytest.mark.parametrize(
    "text", ["", "sk-", "sk-none", "sk-abc_def", "Bearer x", "sk-" + "a" * 16 + "_" + "b" * 42, "sk-ü"]
)
def test_what_is_no_key(text: str) -> None:
    assert KeyText.parse(text) is None
