"""Whatever people and models have called themselves, the page of a shared conversation runs no script of theirs."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from frontends.view.shared.html import SharedHtml
from frontends.view.shared.texts import CHINESE, ENGLISH
from tests.support.hostile_markup import PAYLOADS

PAGES = SharedHtml("shared.css", "theme.js")
ALLOWED = {
    *("html", "head", "meta", "title", "link", "script", "body", "main", "header", "h1", "h2", "p", "article", "div"),
    *("span", "footer", "form", "input", "button", "label"),
}


class Seen(HTMLParser):
    """Elements, attributes and the texts of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.in_script = False
        self.scripts = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        self.scripts += data.strip() if self.in_script else ""

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False


def seen(html: str) -> Seen:
    found = Seen()
    found.feed(html)
    found.close()
    return found


def harmless(html: str) -> bool:
    found = seen(html)
    links = [value or "" for name, value in found.attributes if name in ("href", "src", "action")]
    return (
        set(found.tags) <= ALLOWED
        and found.tags.count("script") == 1
        and found.scripts == ""
        and not any(name.startswith("on") for name, _ in found.attributes)
        and not any(link.strip().lower().startswith(("javascript:", "//", "http")) for link in links)
    )


def test_there_are_enough_texts_and_they_would_be_noticed() -> None:
    assert len(set(PAYLOADS)) >= 150
    assert not harmless(f"<main>{PAYLOADS[0]}</main>")


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_nothing_that_somebody_wrote_becomes_markup(texts: dict[str, str]) -> None:
    dates = {"created_at": "2026-11-27T00:00:00Z", "expires_at": "2026-12-04T00:00:00Z"}
    for text in PAYLOADS:
        message = {"role": "user", "content": text, "model": "", "created_at": dates["created_at"]}
        reply = {"role": "assistant", "content": "x", "model": text, "created_at": dates["created_at"]}
        shared = {"title": text, "author": text, "messages": [message, reply], **dates}
        page = PAGES.conversation(texts, shared, ["<p>q</p>", "<p>a</p>"], token=text, passcode=text)
        assert harmless(page), text
        assert harmless(PAGES.passcode(texts, text)), text
        assert harmless(PAGES.sentence(texts, text)), text
