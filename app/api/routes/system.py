"""Routes of the server itself: information, health checks and metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from app import __version__
from app.api.account_schemas import principal_json
from app.api.deps import AdminOnly, Anyone, Languages, PrincipalDep, ServicesDep, UserId
from app.domain.feedback import REASONS_DOWN, REASONS_UP
from app.domain.limits import MAX_MESSAGE_CHARS
from app.domain.sampling import SamplingParams

router = APIRouter(tags=["system"])


@router.get("/api/info")
async def info(who: PrincipalDep, user_id: UserId, services: ServicesDep, languages: Languages) -> dict[str, Any]:
    """Version, user, default model for the user's languages, default sampling and limits."""
    return {
        "version": __version__,
        "user": principal_json(who) if who else None,
        "login": services.auth.login_required,
        "reasons": {"up": REASONS_UP, "down": REASONS_DOWN},
        "configured_model_id": services.models.configured_model,
        "default_model_id": services.models.default_model(languages),
        "default_sampling": SamplingParams().as_dict(),
        "limits": {
            "message_chars": MAX_MESSAGE_CHARS,
            "body_bytes": services.settings.max_body_bytes,
            "import_bytes": services.settings.max_import_bytes,
        },
        "trash_days": services.settings.trash_days,
    }


@router.get("/healthz", dependencies=[Anyone])
@router.head("/healthz", dependencies=[Anyone], include_in_schema=False)
async def healthz() -> dict[str, str]:
    """Liveness check: the process is running."""
    return {"status": "ok"}


@router.get("/readyz", dependencies=[Anyone])
@router.head("/readyz", dependencies=[Anyone], include_in_schema=False)
async def readyz(services: ServicesDep) -> dict[str, str]:
    """Readiness check: the database responds. A server without models is ready too: its page tells how to get one."""
    await services.conversations.list(services.local_user_id, limit=1)
    return {"status": "ready"}


@router.get("/metrics", dependencies=[AdminOnly], response_class=PlainTextResponse)
@router.head("/metrics", dependencies=[AdminOnly], response_class=PlainTextResponse, include_in_schema=False)
async def metrics(services: ServicesDep) -> str:
    """Metrics in the Prometheus text format."""
    lines = [
        "# HELP parley_event_streams Open event streams.",
        "# TYPE parley_event_streams gauge",
        f"parley_event_streams {services.conversations.subscribers}",
        "# HELP parley_damaged_rows Damaged rows found in the database since the start.",
        "# TYPE parley_damaged_rows gauge",
        f"parley_damaged_rows {services.conversations.damaged_rows}",
        "# HELP parley_event_loop_longest_block_seconds Longest time in the last minute without answering anybody.",
        "# TYPE parley_event_loop_longest_block_seconds gauge",
        f"parley_event_loop_longest_block_seconds {services.loop_watch.longest_block_s:.4f}",
    ]
    series = {
        "running": "Replies being computed.",
        "waiting": "Requests waiting for a slot.",
        "slots": "Replies that can be computed at once.",
        "restarts": "Times the worker was started again.",
    }
    snapshot = services.pool.snapshot()
    for name, text in series.items():
        lines += [f"# HELP parley_model_{name} {text}", f"# TYPE parley_model_{name} gauge"]
        lines += [f'parley_model_{name}{{model="{m.model_id}"}} {getattr(m, name)}' for m in snapshot]
    return "\n".join(lines) + "\n"
