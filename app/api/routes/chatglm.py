"""Compatible with ChatGLM-6B's api.py: ``POST /`` with ``{prompt, history, max_length, top_p, temperature}``.

Opt-in (``PARLEY_CHATGLM_API=true``). As in the original, a missing or zero value means the default (2048, 0.7, 0.95),
``max_length`` includes the prompt, and top-k is 50. The model is PARLEY_MODEL, else the default model.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import ServicesDep, UserId
from app.api.disconnect import cancel_on_disconnect
from app.api.schemas import Content
from app.chat.completion import read_whole
from app.domain.messages import Role, Turn
from app.domain.sampling import MAX_NEW_TOKENS

router = APIRouter(tags=["chatglm"])

MAX_LENGTH, TOP_P, TEMPERATURE = 2048, 0.7, 0.95
_FIXED_SAMPLING = {"top_k": 50, "min_p": 0.0, "repetition_penalty": 1.0}  # defaults of the original's library


class ChatGLMRequest(BaseModel):
    """The fields of ChatGLM-6B's API."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    prompt: Content
    history: Annotated[list[tuple[Content, Content]], Field(max_length=5000)] | None = None
    max_length: int | None = None
    top_p: float | None = None
    temperature: float | None = None


@router.post("/")
async def chat(user_id: UserId, services: ServicesDep, request: Request, body: ChatGLMRequest) -> dict[str, Any]:
    """Generate a reply like ChatGLM-6B's API: ``{response, history, status, time}``."""
    history = body.history or []
    turns = [turn for q, a in history for turn in (Turn(Role.USER, q), Turn(Role.ASSISTANT, a))]
    turns.append(Turn(Role.USER, body.prompt))
    max_length = body.max_length or MAX_LENGTH
    overrides = _FIXED_SAMPLING | {
        "top_p": body.top_p or TOP_P,
        "temperature": body.temperature or TEMPERATURE,
        "max_new_tokens": min(max_length, MAX_NEW_TOKENS),
    }
    opened = services.completions.open(user_id, None, turns, overrides, drop_oldest=True, total_tokens=max_length)
    response = (await cancel_on_disconnect(request, read_whole(opened))).text
    return {
        "response": response,
        "history": [*([q, a] for q, a in history), [body.prompt, response]],
        "status": 200,
        "time": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
    }
