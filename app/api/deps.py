"""What routes are given: the application's parts, and who asks. Every route declares one of the two policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.chat.completion import Completions
from app.chat.conversations import ConversationService
from app.chat.service import ChatService
from app.chat.transfer.transfers import Transfers
from app.config import Settings
from app.engine.pool import ModelPool
from app.models.service import ModelService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a running application holds; made and closed in `app.main`."""

    settings: Settings
    models: ModelService
    pool: ModelPool
    chat: ChatService
    conversations: ConversationService
    completions: Completions
    transfers: Transfers
    local_user_id: str


def services(request: Request) -> Services:
    """The running application's parts."""
    found: Services = request.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]


def current_user(parts: ServicesDep) -> str:
    """Policy: a user. Without accounts that is the one local user: the server listens on loopback only."""
    return parts.local_user_id


def anyone() -> None:
    """Policy: no user needed, nothing private told."""


UserId = Annotated[str, Depends(current_user)]
Anyone = Depends(anyone)
POLICIES = (current_user, anyone)


def languages(request: Request) -> tuple[str, ...]:
    """The reader's languages, best first: ``zh-CN,zh;q=0.9,en;q=0.8`` → ``("zh-CN", "zh", "en")``."""
    header = request.headers.get("accept-language", "")[:200]
    return tuple(part.partition(";")[0].strip() for part in header.split(",") if part.strip())


Languages = Annotated[tuple[str, ...], Depends(languages)]
