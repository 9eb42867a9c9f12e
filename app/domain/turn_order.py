"""The order of turns that every prompt format accepts: system text first, then user and assistant in turn."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Role, Turn, without_reasoning

_BETWEEN = "\n\n"  # texts that are joined to one turn


def in_order(turns: Sequence[Turn]) -> list[Turn]:
    """`turns` with all system text in one turn at the front, neighbours of equal role joined, and no empty ones.

    A reply that was stopped before its first word leaves two questions in a row, programs send system messages late:
    chat templates that demand strict turns refuse both. Replies lose the reasoning that their text begins with. If all
    turns are empty, they are returned as they are.
    """
    said = [turn for turn in map(without_reasoning, turns) if turn.content.strip()]
    system = _BETWEEN.join(turn.content for turn in said if turn.role is Role.SYSTEM)
    ordered = [Turn(Role.SYSTEM, system)] if system else []
    for turn in said:
        if turn.role is Role.SYSTEM:
            continue
        if ordered and ordered[-1].role is turn.role:
            ordered[-1] = Turn(turn.role, ordered[-1].content + _BETWEEN + turn.content)
        else:
            ordered.append(turn)
    return ordered or list(turns)
