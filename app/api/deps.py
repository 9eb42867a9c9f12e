"""Dependencies of routes: the services, the current user and the access policies. Every route declares a policy.

They are coroutines although they wait for nothing: FastAPI calls plain functions in a thread, each of them for each
request.
"""

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
from app.feedback.datasets.service import DatasetService
from app.feedback.review import ReviewService
from app.feedback.service import FeedbackService
from app.jobs.model_jobs import ModelJobs
from app.jobs.service import JobService
from app.models.service import ModelService
from app.system.loop_watch import LoopWatch


@dataclass(frozen=True, slots=True)
class Services:
    """The services of the running application; created and closed in `app.main`."""

    settings: Settings
    models: ModelService
    model_jobs: ModelJobs
    jobs: JobService
    pool: ModelPool
    chat: ChatService
    conversations: ConversationService
    datasets: DatasetService
    feedback: FeedbackService
    review: ReviewService
    completions: Completions
    transfers: Transfers
    loop_watch: LoopWatch
    local_user_id: str


async def services(request: Request) -> Services:
    """The services of the running application."""
    found: Services = request.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]


async def current_user(services: ServicesDep) -> str:
    """Policy: requires a user. There are no accounts yet: it is always the local user, on a loopback-only server."""
    return services.local_user_id


async def anyone() -> None:
    """Policy: open to everyone; the route returns nothing private."""


UserId = Annotated[str, Depends(current_user)]
Anyone = Depends(anyone)
POLICIES = (current_user, anyone)


async def languages(request: Request) -> tuple[str, ...]:
    """The user's languages, preferred first: ``zh-CN,zh;q=0.9,en;q=0.8`` → ``("zh-CN", "zh", "en")``."""
    header = request.headers.get("accept-language", "")[:200]
    return tuple(part.partition(";")[0].strip() for part in header.split(",") if part.strip())


Languages = Annotated[tuple[str, ...], Depends(languages)]
