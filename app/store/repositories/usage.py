"""Repository of what people have used: tokens by person and day."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.store.tables import DailyUsageRow


class DailyUsage:
    """Tokens of a day (``2026-11-27``, UTC)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, user_id: str, day: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Add the tokens of a reply."""
        row = DailyUsageRow
        query = update(row).where(row.user_id == user_id, row.day == day)
        more = {
            "replies": row.replies + 1,
            "prompt_tokens": row.prompt_tokens + prompt_tokens,
            "completion_tokens": row.completion_tokens + completion_tokens,
        }
        if not self._session.connection().execute(query.values(**more)).rowcount:
            first = row(user_id=user_id, day=day, replies=1)
            first.prompt_tokens, first.completion_tokens = prompt_tokens, completion_tokens
            self._session.add(first)
            self._session.flush()

    def on_day(self, day: str) -> dict[str, int]:
        """The tokens of each person on a day."""
        total = DailyUsageRow.prompt_tokens + DailyUsageRow.completion_tokens
        found = self._session.execute(select(DailyUsageRow.user_id, total).where(DailyUsageRow.day == day))
        return {row[0]: row[1] for row in found}
