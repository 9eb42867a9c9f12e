"""The llama.cpp engine: sends requests to one worker process and restarts it when it has died.

llama.cpp does batching, sampling and prompt caching. This module renders and tokenizes prompts (so that the tokens
counted are the tokens evaluated, and only the format's control tokens become such), handles stop strings (llama.cpp
loses held-back text when a reply ends at its length limit), and distinguishes a failed request from a dead worker.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from app.domain.generation import (
    ALL_OPTIONS,
    DecodingOptions,
    Delta,
    EngineEvent,
    Finished,
    FinishReason,
    GenerationRequest,
    Prompt,
    Reading,
    Usage,
)
from app.domain.messages import Turn
from app.domain.reasoning import TAGS
from app.engine.base import Capabilities, LoadPlan
from app.engine.control_tokens import PromptText
from app.engine.llama_cpp.chances import HeldChances, n_probs
from app.engine.llama_cpp.client import Refused, WorkerClient
from app.engine.stopping import TextGate
from app.engine.worker_engine import WorkerEngine
from app.engine.worker_process import WorkerProcess
from app.errors import GenerationFailed, ParleyError, PromptTooLong, WorkerFailed
from app.weights.formats.gguf_vocabulary import read_special_tokens

_MODULE = "app.engine.llama_cpp.worker"
_UNKNOWN_ARCHITECTURE = re.compile(r"unknown model architecture: '(.{1,64}?)'")


class LlamaCppEngine(WorkerEngine):
    """Engine for one GGUF model in one worker. A request for an adapter that failed to load raises its reason."""

    def __init__(self, plan: LoadPlan) -> None:
        super().__init__(plan)
        self._client = WorkerClient("", 0, "")
        self._adapters: dict[str, int] = {}  # name → llama.cpp's adapter id
        self._refused: dict[str, str] = {}  # name → why the adapter could not be loaded
        self._tags: list[str] = []  # of reasoning, that are control tokens: llama.cpp shows no others in replies

    async def start(self) -> None:
        """Load the weights; raises :class:`WorkerFailed`."""
        async with self._starting:
            if self.alive:
                return
            key = secrets.token_urlsafe(32)
            child = self._child = WorkerProcess(_MODULE, {**self._worker_config(), "key": key})
            try:
                answer = await child.start()
            except WorkerFailed as failed:
                raise WorkerFailed(_why(failed), model_id=self._plan.manifest.id, **failed.details) from failed
            self._adapters = {str(name): i for i, name in enumerate(_field(answer, "adapters", list))}
            self._refused = _field(answer, "refused", dict)
            address = urlsplit(str(answer["address"]))
            self._client = WorkerClient(address.hostname or "127.0.0.1", address.port or 0, key)
            async with self._worker_errors():
                props = await self._client.get("/props")
            self._special_tokens = {name: _field(props, name) for name in ("bos_token", "eos_token")}
            if self._plan.weights is not None:
                control, defined = await asyncio.to_thread(read_special_tokens, self._plan.weights)
                self._know_control_tokens(control, defined)
                self._tags = [tag for tag in (*TAGS, *TAGS.values()) if tag in control]

    async def stop(self) -> None:
        """Stop the worker; running requests raise :class:`WorkerDied`."""
        if self._child is not None:
            await self._child.stop()

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; llama.cpp's sampler has all options."""
        return replace(super().capabilities, options=ALL_OPTIONS)

    async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None) -> Prompt:
        """Render by the family's format, or by the checkpoint's own chat template where the family has none."""
        async with self._worker_errors():
            prompt = await self._prompt_text(turns, prefill, thinking)
            answer = await self._client.post("/tokenize", self._to_tokenize(prompt))
            ids = _field(answer, "tokens", list)
        return Prompt(prompt.text, len(ids), tuple(ids))

    async def extend(self, prompt: Prompt, begun: str, closing: str) -> Prompt:
        """The prompt's tokens are kept, so that their KV cache is."""
        said = self._reply_text(begun, closing)
        pieces = {"content": self._control_tokens.pieces(said), "add_special": False, "parse_special": False}
        async with self._worker_errors():
            ids = _field(await self._client.post("/tokenize", pieces), "tokens", list)
        return Prompt(prompt.text + said.text, prompt.n_tokens + len(ids), (*(prompt.token_ids or ()), *ids))

    def _to_tokenize(self, prompt: PromptText) -> dict[str, object]:
        """The request for a prompt's tokens: for its text, or where that spells control tokens, for its pieces.

        ``/tokenize`` takes lists of texts and ids like ``/completion``; ``add_special`` adds to the first entry if that
        is a text. https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
        """
        add = not prompt.starts_with(self._special_tokens.get("bos_token", ""))  # else the format contains it
        if not prompt.spelled:
            return {"content": prompt.text, "add_special": add, "parse_special": True}
        pieces = self._control_tokens.pieces(prompt)
        if add and pieces and not isinstance(pieces[0], str):
            pieces.insert(0, "")
        return {"content": pieces, "add_special": add, "parse_special": False}

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[EngineEvent, None]:
        """Deltas as llama.cpp sends them, then ``Finished``."""
        gate = TextGate((*request.sampling.stop, *self._plan.family.stop))
        chances = HeldChances(request.options)
        usage = Usage(prompt_tokens=request.prompt.n_tokens)
        completion_tokens = unseen_tokens = 0
        body = _body(request, self._plan.context_tokens) | self._adapter_scales(request.adapter)
        body["preserved_tokens"] = self._tags
        async with self._worker_errors(), aclosing(self._client.stream("/completion", body)) as events:
            async for data in events:
                event = json.loads(data)
                if "error" in event:
                    raise Refused(200, event["error"])
                if progress := event.get("prompt_progress"):
                    usage = Usage(prompt_tokens=progress["total"], cached_tokens=progress["cache"])
                    yield Reading(progress["processed"], progress["total"])
                    continue
                n_tokens = _new_tokens(event, completion_tokens)
                completion_tokens += n_tokens
                unseen_tokens += n_tokens
                chances.push(event)
                text = gate.push(event["content"])
                if event["stop"]:
                    text += gate.flush()
                if text:
                    yield Delta(text, unseen_tokens, chances=chances.take(text, is_all=not gate.stopped))
                    unseen_tokens = 0
                if gate.stopped or event["stop"]:
                    cut = not gate.stopped and event["stop_type"] == "limit"
                    count = Usage(usage.prompt_tokens, completion_tokens, usage.cached_tokens)
                    yield Finished(FinishReason.LENGTH if cut else FinishReason.STOP, count)
                    return
        raise GenerationFailed("The model's worker ended its reply early. Try again.")

    def _adapter_scales(self, adapter: str | None) -> dict[str, object]:
        """The ``lora`` field of a request for `adapter`. Raises :class:`GenerationFailed`.

        It lists all adapters, inactive ones with scale 0: without the field, llama.cpp would assume the adapter of the
        slot's previous request and reuse its KV cache.
        """
        if adapter is not None and adapter not in self._adapters:
            why = self._refused.get(adapter, "it is not loaded.")
            raise GenerationFailed(f"The adapter {adapter} can't be used: {why}", model_id=self._plan.manifest.id)
        scales = [{"id": i, "scale": float(name == adapter)} for name, i in self._adapters.items()]
        return {"lora": scales} if scales else {}

    def _worker_config(self) -> dict[str, object]:
        plan = self._plan
        return {
            **super()._worker_config(),
            "weights": str(plan.weights.resolve()) if plan.weights else "",
            "cache_mib": plan.cache_mib,
        }

    @asynccontextmanager
    async def _worker_errors(self) -> AsyncIterator[None]:
        """Convert errors of the worker connection to :class:`GenerationFailed`, :class:`WorkerDied` and the like."""
        child = self._child
        try:
            yield
        except Refused as refused:
            raise _refusal(refused) from refused
        except OSError as broken:
            raise await self._connection_error(child, broken) from broken


def _body(request: GenerationRequest, context_tokens: int) -> dict[str, Any]:
    """The request body for llama.cpp's ``/completion``."""
    wanted = request.sampling
    return {
        "prompt": request.prompt.text if request.prompt.token_ids is None else list(request.prompt.token_ids),
        "n_predict": wanted.max_new_tokens,
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "top_k": wanted.top_k,
        "min_p": wanted.min_p,
        "repeat_penalty": wanted.repetition_penalty,
        "repeat_last_n": context_tokens,  # the whole context, as in the other engines; llama.cpp's default is 64
        "seed": wanted.seed,
        "ignore_eos": wanted.ignore_eos,
        "stream": True,
        "return_progress": True,  # reports cached tokens at the start, so also for a reply that we stop
        "cache_prompt": True,
        **_options(request.options),
    }


def _options(wanted: DecodingOptions) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "presence_penalty": wanted.presence_penalty,
        "frequency_penalty": wanted.frequency_penalty,
        "logit_bias": [[token, bias] for token, bias in wanted.logit_bias.items()],
        "json_schema": wanted.json_schema,
    }
    told = {name: value for name, value in fields.items() if name in wanted.wanted}
    return told | ({"n_probs": n_probs(wanted)} if wanted.logprobs else {})


def _new_tokens(event: Mapping[str, Any], before: int) -> int:
    """How many tokens have come since there were `before`, without the one that ends a reply.

    ``tokens`` lists only the last one of a character that consists of several.
    """
    if event["stop"] and event["stop_type"] == "eos":
        return 0
    return int(event["tokens_predicted"]) - before


def _why(failed: WorkerFailed) -> str:
    """Why the weights could not be loaded; llama.cpp's message, or one that says what to do."""
    unknown = _UNKNOWN_ARCHITECTURE.search(str(failed.details.get("log", "")))
    if unknown is None:
        return failed.message
    return (
        f"The model could not be loaded: the installed llama.cpp does not support its architecture, {unknown[1]!r}. "
        "Newer versions may (`pip install --upgrade xllamacpp`); if not, choose another model."
    )


def _refusal(refused: Refused) -> ParleyError:
    """The exception for llama.cpp's error object."""
    error: Mapping[str, Any] = refused.error
    if error.get("type") == "exceed_context_size_error":
        prompt_tokens, context_tokens = error.get("n_prompt_tokens"), error.get("n_ctx")
        return PromptTooLong(
            f"This text is too long: it has {prompt_tokens} tokens and this model can read {context_tokens}. "
            "Shorten it, or choose a model with a longer context.",
            prompt_tokens=prompt_tokens,
            context_tokens=context_tokens,
        )
    return GenerationFailed(f"llama.cpp refused this request: {error.get('message', refused)}", status=refused.status)


def _field(answer: object, name: str, kind: type = str) -> Any:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise GenerationFailed(
            f"llama.cpp returned no {name}; the installed xllamacpp may be too new for this version of Parley."
        )
    return value
