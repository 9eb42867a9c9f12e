"""Dependencies of routes: the services, the current user and the access policies. Every route declares a policy.

They are coroutines although they wait for nothing: FastAPI calls plain functions in a thread, each of them for each
request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.api.authentication import PRINCIPAL
from app.auth.service import AuthService
from app.chat.completion import Completions
from app.chat.conversations import ConversationService
from app.chat.service import ChatService
from app.chat.sharing import Sharing
from app.chat.transfer.transfers import Transfers
from app.config import Settings
from app.domain.accounts import AccountRole, Principal
from app.engine.pool import ModelPool
from app.errors import NotAllowed, NotSignedIn
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
    auth: AuthService
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
    sharing: Sharing
    loop_watch: LoopWatch
    local_user_id: str


async def services(request: Request) -> Services:
    """The services of the running application."""
    found: Services = request.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]


async def principal(request: Request) -> Principal | None:
    """Who sends the request: the middleware has found out. ``None`` for somebody who is not signed in."""
    found: Principal | None = request.scope[PRINCIPAL]
    return found


PrincipalDep = Annotated[Principal | None, Depends(principal)]


async def anyone() -> None:
    """Policy: open to everyone; the route returns nothing private."""


async def current_user(who: PrincipalDep) -> str:
    """Policy: somebody who is signed in, or a program with their key. Routes see that person's own data only."""
    return _somebody(who).user_id


async def member(who: PrincipalDep) -> str:
    """Policy: a member or an administrator, no guest."""
    if _somebody(who).role is AccountRole.GUEST:
        raise NotAllowed("Guests may not do this.")
    return _somebody(who).user_id


async def administrator(who: PrincipalDep) -> Principal:
    """Policy: an administrator. Without accounts that is the local user."""
    if not _somebody(who).is_admin:
        raise NotAllowed("Only an administrator may do this.")
    return _somebody(who)


async def in_person(who: PrincipalDep) -> Principal:
    """Policy: somebody who is signed in with a password, not a program with a key. For one's own account."""
    if _somebody(who).key_id is not None:
        raise NotAllowed("API keys can't be used for this. Sign in.")
    if _somebody(who).session_id is None:
        raise NotAllowed("There are no accounts here. `parley users add` makes the first one.")
    return _somebody(who)


def _somebody(who: Principal | None) -> Principal:
    if who is None:
        raise NotSignedIn("Sign in first.")
    return who


async def administrator_id(who: Annotated[Principal, Depends(administrator)]) -> str:
    """The administrator's id."""
    return who.user_id


UserId = Annotated[str, Depends(current_user)]
MemberId = Annotated[str, Depends(member)]
Admin = Annotated[Principal, Depends(administrator)]
AdminId = Annotated[str, Depends(administrator_id)]
InPerson = Annotated[Principal, Depends(in_person)]
Anyone = Depends(anyone)
AdminOnly = Depends(administrator)
POLICIES = (anyone, current_user, member, administrator, in_person)


async def languages(request: Request) -> tuple[str, ...]:
    """The user's languages, preferred first: ``zh-CN,zh;q=0.9,en;q=0.8`` → ``("zh-CN", "zh", "en")``."""
    header = request.headers.get("accept-language", "")[:200]
    return tuple(part.partition(";")[0].strip() for part in header.split(",") if part.strip())


Languages = Annotated[tuple[str, ...], Depends(languages)]
