from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.personal_data import Personal, scrub

KEY = "sk-" + "proj-" + "Ab1" * 12
CARD = "4111111111111111"  # the usual test number
ID_CARD = "11010519491231002X"  # the example of GB 11643


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to anna.li+tea@mail.example.com", Personal.EMAIL),
        ("我的邮箱是wang_wei@163.com，请回复", Personal.EMAIL),
        ("打我手机13812345678吧", Personal.PHONE),
        ("手机：138 1234 5678", Personal.PHONE),
        ("+86 138-1234-5678", Personal.PHONE),
        ("座机 010-62345678", Personal.PHONE),
        ("座机（0755）没有，打0755-26543210", Personal.PHONE),
        ("Call +44 20 7946 0958", Personal.PHONE),
        ("Call (212) 555-0123 now", Personal.PHONE),
        ("+1-212-555-0123", Personal.PHONE),
        (f"身份证号{ID_CARD}", Personal.ID_CARD),
        (f"身份证号{ID_CARD.lower()}。", Personal.ID_CARD),
        (f"Card: {CARD}", Personal.CREDIT_CARD),
        ("Card: 4111 1111 1111 1111", Personal.CREDIT_CARD),
        ("银行卡4111-1111-1111-1111。", Personal.CREDIT_CARD),
        ("Server 203.0.113.7 is down", Personal.IP_ADDRESS),
        ("Server 2001:db8::8a2e:370:7334 is down", Personal.IP_ADDRESS),
        (f"My key is {KEY}.", Personal.KEY),
        ("hf_" + "a" * 34, Personal.KEY),
        ("ghp_" + "a1B2" * 9, Personal.KEY),
        ("AKIA" + "ABCDEFGH12345678", Personal.KEY),
        ("LTAI5t" + "abcDEF123456789", Personal.KEY),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w", Personal.KEY),
        ("postgresql://anna:secret@db/parley", Personal.KEY),
        (f"我的密钥是{KEY}。", Personal.KEY),
        ("令牌hf_" + "a" * 34 + "要保密", Personal.KEY),
        ("令牌ghp_" + "a1B2" * 9 + "过期了", Personal.KEY),
        ("在AKIAABCDEFGH12345678里", Personal.KEY),
        ("令牌eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w吧", Personal.KEY),
        ("座机01012345678", Personal.PHONE),
        ("座机(021)62345678", Personal.PHONE),
        ("座机（０７５５）２６５４３２１０", Personal.PHONE),
        ("手机１３８１２３４５６７８吧", Personal.PHONE),
        ("身份证号１１０１０５１９４９１２３１００２Ｘ", Personal.ID_CARD),
        ("请写信给，张三@例子.com", Personal.EMAIL),
        ("邮箱：zhang＠ｅｘａｍｐｌｅ．ｃｏｍ", Personal.EMAIL),
        ("邮箱：anna@例子.公司", Personal.EMAIL),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", Personal.KEY),
    ],
)
def test_what_is_found(text: str, kind: Personal) -> None:
    without, found = scrub(text)
    assert found == Counter({kind: 1}), without
    assert f"[{kind.name}]" in without
    assert scrub(without) == (without, Counter())


@pytest.mark.parametrize(
    "text",
    [
        "In 1999 there were 12345678 people and 3.14159265358979 of pi.",
        "2026-11-24 08:00:00, 2026-11-24T08:00:00.000+00:00",
        "1234567890123456",  # no valid card
        "110105194912310021",  # a wrong checksum
        "110105194913310023",  # no such month
        "0000000000000000",
        "Version 1.2.3, section 10.4.2.1.5, 127.0.0.1, 0.0.0.0, localhost:8000",
        "999.999.999.999",
        "std::vector::begin, a::b, 12:30:45",
        "user@localhost, @anna, #123456",
        "sk-learn and scikit-learn, risk-free, task-specific",
        "f(x) = 10000000000 * x - 20000000",
        "泡绿茶用多热的水？八十度，别用100度的沸水。",
        "QQ群 12345, ISBN 978-7-111-54742-6",
        "圆周率3.01012345678，编号00101234567890，@张三 你好",
    ],
)
def test_what_stays(text: str) -> None:
    assert scrub(text) == (text, Counter())


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("ＡＢ，我的邮箱是wang@163.com或者wang@例子.中国。１２３", "ＡＢ，我的邮箱是[EMAIL]或者[EMAIL]。１２３"),
        ("（０２１）６２３４５６７８，１０：３０～１１：００", "[PHONE]，１０：３０～１１：００"),
        (f"密钥{KEY}，①②③ ½ ﬁ", "密钥[KEY]，①②③ ½ ﬁ"),
    ],
)
def test_the_rest_of_a_text_stays_as_it_is(text: str, without: str) -> None:
    assert scrub(text)[0] == without


@pytest.mark.parametrize("before", ["5", "Room 12", "10:30", "2026-11-24", "№ 3", "1, 2", "2）1"])
@pytest.mark.parametrize(
    "number",
    [
        "13812345678",
        "138 1234 5678",
        "+86 138-1234-5678",
        "86 13812345678",
        "0086 138 1234 5678",
        "010-62345678",
        "(021) 62345678",
        "+44 20 7946 0958",
        "(212) 555-0123",
        "212-555-0123",
    ],
)
def test_a_phone_number_after_another_number(before: str, number: str) -> None:
    assert scrub(f"{before} {number}, 7") == (f"{before} [PHONE], 7", Counter(phone=1))


def test_everything_in_one_text_is_counted() -> None:
    text = f"a@b.com, c@d.org, 13812345678, {ID_CARD}, {CARD}, {KEY}"
    without, found = scrub(text)
    assert without == "[EMAIL], [EMAIL], [PHONE], [ID_CARD], [CREDIT_CARD], [KEY]"
    assert found == {"email": 2, "phone": 1, "id_card": 1, "credit_card": 1, "key": 1}


@given(st.text(alphabet="0123456789 -+().@:/aAzxX_.\n我", max_size=200))
def test_scrubbing_again_changes_nothing(text: str) -> None:
    once = scrub(text)[0]
    assert scrub(once)[0] == once


@pytest.mark.parametrize(
    "piece",
    [
        "例",
        "例@",
        "例.",
        "@例a.",
        "１",
        "(021)",
        "1",
        "1 ",
        "a@",
        "a.",
        "+1 ",
        "1.",
        "1:",
        "sk-a-",
        "eyJ",
        "://a:",
        "-----BEGIN PRIVATE KEY-----",
        "(1)",
    ],
)
def test_hostile_texts_take_no_longer(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    scrub(text)
    assert time.process_time() - began < 5  # seconds of CPU; exponential patterns would take hours
