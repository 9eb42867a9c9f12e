"""Markdown plugin that makes links of bare addresses: ``https://…``, ``http://…``, ``mailto:…`` and e-mail addresses.

Where an address ends is decided by what people mean: punctuation after it is not part of it, Chinese text after it
neither, unless it begins a part of the path (``/wiki/人工智能``). The host is a name of ASCII letters, a dotted IPv4
address or localhost: what looks like another host than it is (letters of other scripts, user names before an ``@``,
numbers as addresses) stays text.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

_CJK = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"  # without punctuation
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"(?:{_LABEL}\.){{1,10}}(?:[a-z]{{2,24}}|xn--[a-z0-9-]{{2,59}})"
# After a host, nothing may come that would belong to it.
_HOST_END = rf"(?![a-z0-9@_-]|[.:]?[^\W{_CJK}])"
_PATH = rf"(?:[a-z0-9\-._~:?#\[\]@!$&'()*+,;=%]|[^\x00-\x7f\W](?<![{_CJK}])|/[{_CJK}]*|(?<=[=#])[{_CJK}]+)*"
_HOST = rf"(?:localhost|{_BYTE}(?:\.{_BYTE}){{3}}|{_NAME})(?::\d{{1,5}})?"
_ADDRESS = re.compile(rf"https?://{_HOST}{_HOST_END}(?:(?=[/?#]){_PATH})?", re.IGNORECASE)
_MAIL = re.compile(rf"[a-z0-9._%+-]{{1,64}}@{_NAME}{_HOST_END}", re.IGNORECASE)
_LOCAL_PART = re.compile(r"(?:mailto:)?[a-z0-9._%+-]{1,64}\Z", re.IGNORECASE)
_LONGEST = 2_000
_TRAILING = ".,:;!?*_~'\""
_PAIRS = {")": "(", "]": "["}


def bare_links_plugin(md: MarkdownIt) -> None:
    """Add the rules."""
    md.inline.ruler.before("escape", "bare_address", _address_rule)
    md.inline.ruler.before("escape", "bare_mail", _mail_rule)


def _address_rule(state: StateInline, silent: bool) -> bool:
    """At the colon of ``https://``: the scheme before it has been read as text."""
    if state.src[state.pos] != ":" or state.linkLevel or silent:
        return False
    scheme = re.search(r"(?:^|[^a-z0-9])(https?)\Z", state.pending[-6:], re.IGNORECASE)
    if not scheme:
        return False
    start = state.pos - len(scheme[1])
    found = _ADDRESS.match(state.src, start, min(state.posMax, start + _LONGEST))
    return found is not None and _link(state, start, _trimmed(found[0]))


def _mail_rule(state: StateInline, silent: bool) -> bool:
    """At the ``@``: the name before it has been read as text."""
    if state.src[state.pos] != "@" or state.linkLevel or silent:
        return False
    read = _LOCAL_PART.search(state.pending[-72:])
    if not read or _continues(state, state.pos - len(read[0])):
        return False
    start = state.pos - len(read[0])
    scheme = "mailto:" if read[0].lower().startswith("mailto:") else ""
    found = _MAIL.match(state.src, start + len(scheme), min(state.posMax, start + _LONGEST))
    return found is not None and _link(state, start, scheme + found[0], "" if scheme else "mailto:")


def _continues(state: StateInline, start: int) -> bool:
    """Whether what begins at `start` is the rest of something longer, as of an address with a user name."""
    return start > 0 and state.src[start - 1] in "/:@_~=&?#\\"


def _link(state: StateInline, start: int, text: str, scheme: str = "") -> bool:
    address = state.md.normalizeLink(scheme + text)
    if not state.md.validateLink(address):
        return False
    state.pending = state.pending[: start - state.pos]
    state.push("link_open", "a", 1).attrs = {"href": address}
    state.push("text", "", 0).content = text
    state.push("link_close", "a", -1)
    state.pos = start + len(text)
    return True


def _trimmed(address: str) -> str:
    """Without punctuation at the end, and without a bracket that closes one opened before the address."""
    while True:
        last = address[-1]
        if last not in _TRAILING and not (last in _PAIRS and address.count(last) > address.count(_PAIRS[last])):
            return address
        address = address[:-1]
