"""The store's repositories: queries and changes, by kind of object."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.store.damage import DamageLog
from app.store.repositories.api_keys import ApiKeys
from app.store.repositories.audit import Audit
from app.store.repositories.conversations import Conversations
from app.store.repositories.datasets import Datasets
from app.store.repositories.feedback import Feedback
from app.store.repositories.imports import Imports
from app.store.repositories.jobs import Jobs
from app.store.repositories.judged_replies import JudgedReplies
from app.store.repositories.judgements import Judgements
from app.store.repositories.messages import Messages
from app.store.repositories.one_time_links import OneTimeLinks
from app.store.repositories.rankings import Rankings
from app.store.repositories.ratings import Ratings
from app.store.repositories.sessions import Sessions
from app.store.repositories.shares import Shares
from app.store.repositories.usage import DailyUsage
from app.store.repositories.users import Users

__all__ = ["Repositories"]


class Repositories:
    """The repositories of one transaction. Must not be used after it. Damaged rows are reported to `damage`."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self.users = Users(session, damage)
        self.conversations = Conversations(session, damage)
        self.messages = Messages(session, damage)
        self.ratings = Ratings(session, damage)
        self.rankings = Rankings(session, damage)
        self.feedback = Feedback(session, damage)
        self.datasets = Datasets(session, damage)
        self.judgements = Judgements(session)
        self.judged_replies = JudgedReplies(session)
        self.imports = Imports(session, damage)
        self.jobs = Jobs(session, damage)
        self.sessions = Sessions(session, damage)
        self.api_keys = ApiKeys(session, damage)
        self.one_time_links = OneTimeLinks(session, damage)
        self.audit = Audit(session, damage)
        self.shares = Shares(session, damage)
        self.usage = DailyUsage(session)
