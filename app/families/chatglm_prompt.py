"""ChatGLM-6B, the first: a bare question, or rounds of ``问：`` (question) and ``答：`` (answer), numbered from 0.

Source: the golden prompts of tests/golden/chatglm (what the published model's own chat code makes). The two special
tokens behind the text, [gMASK] and <sop>, are added by the tokenizer. The format has no place for a system turn: it
stands before everything else, on a line of its own.

Also here: how that chat code cleans a reply up, as a stream. ChatGLM2 and ChatGLM3 do the same to all but punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Role, Turn
from app.families.base import Family

_YEAR_MARK, _YEAR = "[[训练时间]]", "2023年"  # the model was taught to write the mark for "when I was trained"
_CHINESE = {",": "，", "!": "！", ":": "：", ";": "；", "?": "？"}


def render(turns: Sequence[Turn]) -> str:
    """The prompt for a reply to the last turn. A lone question stands without a round, as the model was trained."""
    lines = [turn.content for turn in turns if turn.role is Role.SYSTEM]
    talk = [turn for turn in turns if turn.role is not Role.SYSTEM]
    if len(talk) == 1 and talk[0].role is Role.USER:
        return "\n".join([*lines, talk[0].content])
    rounds = 0
    answered = True
    for turn in talk:
        if turn.role is Role.USER or answered:  # a reply may have lost its question when the oldest turns were left out
            question = turn.content if turn.role is Role.USER else ""
            lines += [f"[Round {rounds}]", f"问：{question}", "答："]
            rounds += 1
        if turn.role is Role.ASSISTANT:
            lines[-1] += turn.content
        answered = turn.role is Role.ASSISTANT
    return "\n".join(lines)


class ChatGLMCleaner:
    """A reply's text, piece by piece: outer whitespace goes, the mark becomes the year, and ASCII punctuation beside a
    Chinese character becomes Chinese.

    What depends on text to come is held back: whitespace, the beginning of a mark, a punctuation mark.
    """

    def __init__(self, *, punctuation: bool = True) -> None:
        """Without ``punctuation`` it stays as it is, as with ChatGLM2 and ChatGLM3."""
        self._chinese = _CHINESE if punctuation else {}
        self._held = ""
        self._last = ""  # the character before ``_held``; empty at the start of the reply

    def push(self, text: str) -> str:
        """What can be shown now that ``text`` has come."""
        self._held = (self._held + text).replace(_YEAR_MARK, _YEAR)
        if not self._last:
            self._held = self._held.lstrip()
        safe = len(self._held.rstrip()) - _length_of_begun_mark(self._held)
        if safe == len(self._held) and self._held[-1:] in self._chinese and not _is_chinese(self._before(safe - 1)):
            safe -= 1
        return self._release(safe)

    def flush(self) -> str:
        """The rest, when the reply has ended."""
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
    """How many characters at the end of ``text`` may be the beginning of a mark."""
    return next((n for n in range(len(_YEAR_MARK) - 1, 0, -1) if text.endswith(_YEAR_MARK[:n])), 0)


FAMILY = Family(name="chatglm", title="ChatGLM", render=render, cleaner=ChatGLMCleaner)
