"""Which conversations are for training and which for testing."""

from __future__ import annotations

import hashlib


def split_of(conversation_id: str, test_share: float) -> str:
    """``train`` or ``test``, by the id alone: a conversation is in the same split in every export with this share.

    Splitting by conversation keeps similar prompts in the same split.
    """
    number = int.from_bytes(hashlib.sha256(conversation_id.encode()).digest()[:8], "big")
    return "test" if number < test_share * 2**64 else "train"
