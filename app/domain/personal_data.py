"""Finds personal data in texts and replaces it by its kind: ``[EMAIL]``, ``[PHONE]``.

Rules, not a model: what has a form or a checksum is found, names and addresses are not. Every kind has Chinese and
international forms, also in full-width characters, and directly beside Chinese text, which has no spaces. A number
counts only where its form or its checksum is right, so that ordinary numbers stay.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import date
from enum import StrEnum


class Personal(StrEnum):
    """A kind of personal data."""

    KEY = "key"  # API keys, tokens, private keys, passwords in addresses
    EMAIL = "email"
    ID_CARD = "id_card"  # Chinese resident identity cards
    PHONE = "phone"
    CREDIT_CARD = "credit_card"
    IP_ADDRESS = "ip_address"


def scrub(text: str) -> tuple[str, Counter[Personal]]:
    """`text` with personal data replaced by its kind in brackets, and how often each kind was found."""
    found: Counter[Personal] = Counter()
    folded = text.translate(_FOLDED)
    for kind, hint, pattern, is_real in _RULES:
        if hint.search(folded) is None:
            continue
        spans = [match.span() for match in pattern.finditer(folded) if is_real(match[0])]
        if spans:
            found[kind] += len(spans)
            text, folded = (_with(f"[{kind.name}]", at=spans, of=same) for same in (text, folded))
    return text, found


def _with(name: str, *, at: list[tuple[int, int]], of: str) -> str:
    ends = [0, *(end for _, end in at)]
    starts = [*(start for start, _ in at), len(of)]
    return name.join(of[end:start] for end, start in zip(ends, starts, strict=True))


def _any(_: str) -> bool:
    return True


def _is_id_card(text: str) -> bool:
    """18 digits with a date of birth, the last by ISO 7064 MOD 11-2 (GB 11643-1999)."""
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * 2 ** (17 - at) for at, digit in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17].upper()


def _is_card_number(text: str) -> bool:
    """13 to 19 digits whose last one is right by Luhn's algorithm (ISO/IEC 7812-1), not all the same."""
    digits = [int(char) for char in text if char.isdecimal()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [digit if at % 2 == 0 else digit * 2 - 9 * (digit > 4) for at, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_phone(text: str) -> bool:
    """From 7 to 15 digits (ITU-T E.164)."""
    return 7 <= sum(char.isdecimal() for char in text) <= 15


def _is_address(text: str) -> bool:
    """A public or private IP address, not one that stands for any machine or this one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


# Full-width and mathematical characters in their ordinary form (NFKC), one for one; not those that end sentences.
_FOLDED = {
    ord(char): unicodedata.normalize("NFKC", char)
    for char in (*map(chr, range(0xFF01, 0xFF5F)), *map(chr, range(0x1D7CE, 0x1D800)))
    if char not in "\uff01\uff0c\uff1a\uff1b\uff1f"
}
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<![\d.])(?<!\d-)", r"(?!\d)"  # another number and a space may come before
_KEYS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{1,10000}?-----END [A-Z ]*PRIVATE KEY-----",
    r"\b(?:sk|pk|rk)[-_](?:[a-z]+[-_]){0,2}[A-Za-z0-9_-]{20,200}",  # OpenAI, Anthropic, DeepSeek, Stripe
    r"\bhf_[A-Za-z0-9]{30,60}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{30,255}\b|\bgithub_pat_[A-Za-z0-9_]{30,255}",
    r"\bglpat-[A-Za-z0-9_-]{20,64}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bLTAI[A-Za-z0-9]{12,24}\b|\bAKID[A-Za-z0-9]{13,40}\b",  # Amazon, Alibaba, Tencent
    r"\bAIza[A-Za-z0-9_-]{35}",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,250}",
    r"\beyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,2000}",  # JSON web tokens
    r"(?<=://)[^\s/:@]{1,100}:[^\s/:@]{1,100}(?=@)",  # user and password in an address
)
_LABEL = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}|[\u4e00-\u9fff][\u4e00-\u9fffA-Za-z0-9-]{0,62}"  # of a domain
_EMAIL = (
    r"(?:(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}|[\u4e00-\u9fff]{1,4})"  # or a Chinese name
    rf"@(?:(?:{_LABEL})\.){{1,8}}(?:[A-Za-z]{{2,24}}|中国|中國|公司|网络|網絡)"
)
_ID_CARD = r"(?<![\dA-Za-z])[1-9]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[\dXx](?![\dA-Za-z])"
_CARD = rf"{_NO_DIGIT_BEFORE}(?<!\d )(?:\d[ -]?){{12,18}}\d{_NO_DIGIT_AFTER}"
_PHONE = "|".join(
    (
        rf"{_NO_DIGIT_BEFORE}(?:(?:\+|00)?86[ -]?)?1[3-9]\d[ -]?\d{{4}}[ -]?\d{{4}}{_NO_DIGIT_AFTER}",  # China, mobile
        rf"{_NO_DIGIT_BEFORE}(?:(?:\+|00)?86[ -]?)?\(?0(?:10|2\d|[3-9]\d\d)\)?[ -]?\d{{7,8}}{_NO_DIGIT_AFTER}",  # fixed
        rf"(?<![\w+])\+[1-9]\d{{0,2}}(?:[ .-]?\(?\d{{1,4}}\)?){{2,6}}{_NO_DIGIT_AFTER}",  # international
        rf"{_NO_DIGIT_BEFORE}(?:\(\d{{3}}\) ?|\d{{3}}[-.])\d{{3}}[-.]\d{{4}}{_NO_DIGIT_AFTER}",  # North America
    )
)
_IP = (
    r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\w?)"
    r"|(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,7}(?![\w:])"
)
# Kind, what a text with it has in any case (fast), its form, and whether what has this form is real.
_RULES: tuple[tuple[Personal, re.Pattern[str], re.Pattern[str], Callable[[str], bool]], ...] = (
    (Personal.KEY, re.compile(r"[-_]|AKI|ASIA|LTAI|AIza|eyJ|@"), re.compile("|".join(_KEYS), re.ASCII), _any),
    (Personal.EMAIL, re.compile("@"), re.compile(_EMAIL), _any),
    (Personal.ID_CARD, re.compile(r"\d{17}", re.ASCII), re.compile(_ID_CARD, re.ASCII), _is_id_card),
    (Personal.PHONE, re.compile(r"\d{3}|\+\d"), re.compile(_PHONE, re.ASCII), _is_phone),
    (Personal.CREDIT_CARD, re.compile(r"\d{3}"), re.compile(_CARD, re.ASCII), _is_card_number),
    (Personal.IP_ADDRESS, re.compile(r"\d\.\d|:[0-9A-Fa-f]"), re.compile(_IP, re.ASCII), _is_address),
)
