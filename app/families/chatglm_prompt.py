"""ChatGLM-6B, the first: a bare question, or rounds of ``问：`` (question) and ``答：`` (answer), numbered from 0.

Source: the golden prompts of tests/golden/chatglm (what the published model's own chat code makes). The two special
tokens after the text, [gMASK] and <sop>, are added by the tokenizer. The format has no system turn: a system prompt is
the first line.

Also the clean-up of replies by that chat code, for streams. ChatGLM2 and ChatGLM3 use it without the punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Role, Turn
from app.families.base import Family

_YEAR_MARK, _YEAR = "[[训练时间]]", "2023年"  # the model writes this placeholder for the year of its training
_CHINESE = {",": "，", "!": "！", ":": "：", ";": "；", "?": "？"}


def render(turns: Sequence[Turn]) -> str:
    """The prompt for a reply to the last turn. A single question has no round number, as in training."""
    lines = [turn.content for turn in turns if turn.role is Role.SYSTEM]
    talk = [turn for turn in turns if turn.role is not Role.SYSTEM]
    if len(talk) == 1 and talk[0].role is Role.USER:
        return "\n".join([*lines, talk[0].content])
    rounds = 0
    answered = True
    for turn in talk:
        if (
            turn.role is Role.USER or answered
        ):  # the first reply may lack its question, when the oldest turns were dropped
            question = turn.content if turn.role is Role.USER else ""
            lines += [f"[Round {rounds}]", f"问：{question}", "答："]
            rounds += 1
        if turn.role is Role.ASSISTANT:
            lines[-1] += turn.content
        answered = turn.role is Role.ASSISTANT
    return "\n".join(lines)


class ChatGLMCleaner:
    """Cleans up a streamed reply: strips it, replaces the year placeholder, and makes ASCII punctuation next to a
    Chinese character Chinese.

    Text whose clean-up depends on later text is held back: whitespace, a partial placeholder, a punctuation mark.
    """

    def __init__(self, *, punctuation: bool = True) -> None:
        """`punctuation`: whether to replace it; false for ChatGLM2 and ChatGLM3."""
        self._chinese = _CHINESE if punctuation else {}
        self._held = ""
        self._last = ""  # the character before ``_held``; empty at the start of the reply

    def push(self, text: str) -> str:
        """Add ``text``; returns the cleaned text that is final."""
        self._held = (self._held + text).replace(_YEAR_MARK, _YEAR)
        if not self._last:
            self._held = self._held.lstrip()
        safe = len(self._held.rstrip()) - _length_of_begun_mark(self._held)
        if safe == len(self._held) and self._held[-1:] in self._chinese and not _is_chinese(self._before(safe - 1)):
            safe -= 1
        return self._release(safe)

    def flush(self) -> str:
        """Return the remaining text at the end of the reply."""
        return self._release(len(self._held.rstrip()))

    def _before(self, index: int) -> str:
        return self._held[index - 1] if index > 0 else self._last

    def _release(self, length: int) -> str:
        shown = "".join(self._cleaned(index) for index in range(length))
        self._last = self._before(length)
        self._held = self._held[length:]
        return shown

    def _cleaned(self, index: int) -> str:
        character = self._held[index]
        beside_chinese = _is_chinese(self._before(index)) or _is_chinese(self._held[index + 1 : index + 2])
        return self._chinese.get(character, character) if beside_chinese else character


def _is_chinese(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _length_of_begun_mark(text: str) -> int:
    """The length of the longest suffix of ``text`` that is the beginning of the placeholder."""
    return next((n for n in range(len(_YEAR_MARK) - 1, 0, -1) if text.endswith(_YEAR_MARK[:n])), 0)


FAMILY = Family(name="chatglm", title="ChatGLM", render=render, cleaner=ChatGLMCleaner)
