"""The database tables. A change here needs a migration; a test compares the two.

Times are UTC. Enumerations are text with a check constraint, which works in every database and makes adding a value a
small migration.
"""

from __future__ import annotations

from app.store.tables.base import Base
from app.store.tables.chats import WITHHELD, ConversationRow, MessageRow, SearchRow
from app.store.tables.feedback import DatasetJudgementRow, DatasetRow, RankingItemRow, RankingRow, RatingRow, ReviewRow
from app.store.tables.jobs import JobRow
from app.store.tables.people import ApiKeyRow, AuditRow, DailyUsageRow, OneTimeLinkRow, SessionRow, UserRow
from app.store.tables.shares import ShareRow

__all__ = [
    "WITHHELD",
    "ApiKeyRow",
    "AuditRow",
    "Base",
    "ConversationRow",
    "DailyUsageRow",
    "DatasetJudgementRow",
    "DatasetRow",
    "JobRow",
    "MessageRow",
    "OneTimeLinkRow",
    "RankingItemRow",
    "RankingRow",
    "RatingRow",
    "ReviewRow",
    "SearchRow",
    "SessionRow",
    "ShareRow",
    "UserRow",
]
