"""Keeps text that spells a control token from becoming one: what people and programs say is only ever text.

A format (a family's, or a chat template) writes control tokens and the texts of a conversation into one string; parsing
that string for control tokens would also find those that a message merely spells. So before rendering, the characters
with which control tokens can be spelled are replaced in the texts by private-use characters, one for one. They survive
whatever a template does to a text: trimming, slicing, changing its case, splitting, joining. In the rendered prompt all
control tokens found are then the format's own; after that the characters are put back at their places.

A prompt in which nothing else spells a control token is tokenized as before, in one go. Otherwise it is cut at the
format's control tokens, and the tokenizer gets the text between them without parsing it for any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from app.domain.messages import Role
from app.domain.tool_calls import CLOSE, OPEN

Span = tuple[int, int]

_PRIVATE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))  # Unicode's private-use characters
_ANY_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd]")
# What a template may look for in a text, such as </think> or [TOOL_CALLS].
_MARKUP = re.compile(r"<[^<>\s'\"\\{}]+>|\[[^\[\]\s'\"\\{}]+\]")
_COMPARED_CHARS = 5  # enough to pass over other markup; vocabularies have thousands of tokens that begin alike
_LOOKS_LIKE_CONTROL = re.compile(r"<[|｜].*[|｜]>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PromptText:
    """A rendered prompt, and where the format itself wrote control tokens in it."""

    text: str
    control: tuple[Span, ...] = ()
    spelled: bool = False  # whether other text spells control tokens, so that parsing `text` would be wrong

    def starts_with(self, token: str) -> bool:
        """Whether the format itself begins with the control token `token`."""
        if not token or not self.text.startswith(token):
            return False
        return not self.spelled or self.control[:1] == ((0, len(token)),)


class ControlTokens:
    """The control tokens of one vocabulary, by their text."""

    def __init__(
        self, control: Mapping[str, int] | None = None, defined: Mapping[str, int] | None = None, template: str = ""
    ) -> None:
        """`control`: id by text. `defined`: tokens that tokenizers find in any text, such as ``<think>`` or a run of
        spaces; those that `template` writes, and those that look like control tokens, count as control tokens.
        """
        structural = {
            text: index
            for text, index in (defined or {}).items()
            if _LOOKS_LIKE_CONTROL.fullmatch(text) or (_MARKUP.fullmatch(text) and text in template)
        }
        self._ids = {text: index for text, index in (structural | dict(control or {})).items() if text.strip()}
        self._structural = ControlTokens(structural) if structural else None
        self._template = template
        lengths: dict[str, set[int]] = {}
        for text in self._ids:
            lengths.setdefault(text[0], set()).add(len(text))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}
        self._start = _start_of(self._ids) if self._ids else None
        self._keys = "".join(sorted({_key(text) for text in self._ids}))
        tags = {text for text in structural if not _LOOKS_LIKE_CONTROL.fullmatch(text)}
        self._kept = {
            Role.USER: self._kept_pattern(template, set()),
            Role.SYSTEM: self._kept_pattern(template, tags & {OPEN, CLOSE}),
            Role.ASSISTANT: self._kept_pattern(template, tags),
        }

    def spans(self, text: str) -> list[Span]:
        """Where `text` spells control tokens: from left to right, the longest at each place."""
        found: list[Span] = []
        end = 0
        for start in self._start.finditer(text) if self._start else ():
            at = start.start()
            if at < end:
                continue
            for length in self._lengths[start[0]]:
                if (token := text[at : at + length]) in self._ids:
                    end = at + len(token)
                    found.append((at, end))
                    break
        return found

    def escapes(self, texts: Iterable[str]) -> Escapes:
        """The escaping for one conversation with these `texts`."""
        return Escapes(self, self._keys, self._kept, [*texts, self._template])

    def pieces(self, prompt: PromptText) -> list[int | str]:
        """The prompt as ids of the format's control tokens, and the texts between them, not to be parsed for any.

        A text is cut inside a spelled token that tokenizers would find even so.
        """
        pieces: list[int | str] = []
        at = 0
        for start, end in (*prompt.control, (len(prompt.text), len(prompt.text))):
            pieces += self._unparsed(prompt.text[at:start])
            if end > start:
                pieces.append(self._ids[prompt.text[start:end]])
            at = end
        return pieces

    def broken_up(self, text: str) -> str:
        """`text` with a space in each control token it spells, for templates that change private-use ones."""
        return " ".join(_parts(text, (start + 1 for start, _ in self.spans(text))))

    def _unparsed(self, text: str) -> Iterator[str]:
        cuts = [start + 1 for start, _ in self._structural.spans(text)] if self._structural else []
        return (part for part in _parts(text, cuts) if part)

    def _kept_pattern(self, template: str, tags: set[str]) -> re.Pattern[str] | None:
        """Finds what is not escaped: `tags`, and markup that the template may look for."""
        kept = tags | {
            tag
            for tag in _MARKUP.findall(template)
            if not self.spans(tag) and not any(text.startswith(tag) for text in self._ids)
        }
        return re.compile(f"({'|'.join(sorted(map(re.escape, kept), reverse=True))})") if kept else None


class Escapes:
    """Replaces, in the texts of one conversation, the characters with which control tokens can be spelled."""

    def __init__(
        self, tokens: ControlTokens, keys: str, kept: Mapping[Role, re.Pattern[str] | None], texts: Sequence[str]
    ) -> None:
        """`keys`: the characters; `kept` finds what stays in the texts of each role; `texts`: all in which none of the
        characters used may be.
        """
        self._tokens = tokens
        self._kept = kept
        taken = {ord(found) for text in texts for found in _ANY_PRIVATE.findall(text)}
        free = (code for code in chain(*_PRIVATE) if code not in taken)
        self._table = {key: chr(code) for key, code in zip(keys, free, strict=False)}

    def escape(self, text: str, role: Role) -> str:
        """What `role` says with other characters, none of which spells a control token; as long as before.

        In a reply, tags such as ``<think>`` that the template writes too stay: it may have to take the reasoning out.
        In a system text, those of calls stay: it tells how functions are called, as the template itself would.
        """
        kept = self._kept[role]
        if kept is None or not kept.search(text):
            return self._replaced(text)
        return "".join(part if odd % 2 else self._replaced(part) for odd, part in enumerate(kept.split(text)))

    def undo(self, rendered: str) -> PromptText:
        """The prompt with its characters put back."""
        text = rendered
        for key, code in self._table.items():
            text = text.replace(code, key)
        if text == rendered:
            return PromptText(text)
        own = self._tokens.spans(rendered)
        return PromptText(text, tuple(own), spelled=self._tokens.spans(text) != own)

    def _replaced(self, text: str) -> str:
        for key, code in self._table.items():  # several times as fast as str.translate
            text = text.replace(key, code)
        return text


def _start_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """Finds the first character of what may be one of `tokens`: what follows it begins as it does in one."""
    starts: dict[str, set[str]] = {}
    for token in tokens:
        starts.setdefault(token[0], set()).add(re.escape(token[1:_COMPARED_CHARS]))
    return re.compile("|".join(f"{re.escape(first)}(?={'|'.join(sorted(rest))})" for first, rest in starts.items()))


def _key(token: str) -> str:
    """The character that is replaced so that a text does not spell `token`: its first one that is no word's."""
    return next((ch for ch in token if not ch.isalnum() and not ch.isspace()), token[0])


def _parts(text: str, cuts: Iterable[int]) -> Iterator[str]:
    at = 0
    for cut in cuts:
        yield text[at:cut]
        at = cut
    yield text[at:]
