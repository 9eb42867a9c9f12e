"""Splits the reasoning from the replies of every engine, and ends it at its limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

from app.domain.generation import (
    Delta,
    EngineEvent,
    Finished,
    FinishReason,
    GenerationRequest,
    Reading,
    TokenChance,
    Usage,
)
from app.domain.reasoning import CLOSING, TAGS, Phase, ReasoningSplitter, Said, is_closed_by, opened_by, split
from app.domain.token_chances import last_of
from app.engine.base import Capabilities, Engine
from app.models.manifest import Manifest


async def reasoned(engine: Engine, request: GenerationRequest, manifest: Manifest) -> AsyncGenerator[EngineEvent, None]:
    """The events of a reply with its reasoning apart from its text.

    Once the reasoning has ``thinking_tokens``, it is closed and the reply goes on with the answer, where the engine
    can do that; the others ignore the limit.
    """
    reply = _Reply(request, manifest)
    if request.options.json_schema is not None and reply.splitter.phase is Phase.REASONING:
        request = await _without_reasoning(engine, request, reply)
    limit = request.sampling.thinking_tokens if engine.capabilities.thinking_limit else None
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            if isinstance(event, Finished):
                for delta in reply.end():
                    yield delta
                yield event
                return
            if isinstance(event, Reading):
                yield event
                continue
            if found := reply.take(event):
                yield found
            if limit is not None and reply.thought_tokens >= limit and reply.splitter.phase is Phase.REASONING:
                break
        else:
            return
    async for event in _answer(engine, request, reply):
        yield event


def split_at_end(text: str, request: GenerationRequest, capabilities: Capabilities) -> Said:
    """A whole reply in which no reasoning was seen while it came: without an opening tag it shows only at its end.

    Where the prompt is known and the model is none that thinks, a closing tag is a part of the answer like any other.
    """
    is_answer = request.phase is not Phase.BEFORE or is_closed_by(request.prompt.text)
    return split(text) if capabilities.hides_opening and not is_answer else Said(text, "")


async def _without_reasoning(engine: Engine, request: GenerationRequest, reply: _Reply) -> GenerationRequest:
    """The request with the reasoning closed that its prompt has opened: a grammar has no place for a closing tag."""
    closing, reply.splitter.phase = reply.splitter.closing, Phase.ANSWER
    if not engine.capabilities.thinking_limit:
        return request
    prompt = await engine.extend(request.prompt, "", closing)
    left = max(1, engine.capabilities.context_tokens - prompt.n_tokens)
    max_new_tokens = min(request.sampling.max_new_tokens, left)
    return replace(request, prompt=prompt, sampling=replace(request.sampling, max_new_tokens=max_new_tokens))


async def _answer(engine: Engine, request: GenerationRequest, reply: _Reply) -> AsyncGenerator[EngineEvent, None]:
    """The rest of a reply whose reasoning is ended here."""
    spent = reply.n_tokens
    usage = Usage(request.prompt.n_tokens, spent)
    reply.splitter.close()
    prompt = await engine.extend(request.prompt, reply.written, reply.splitter.closing)
    left = min(request.sampling.max_new_tokens - spent, engine.capabilities.context_tokens - prompt.n_tokens)
    if left < 1:
        yield Finished(FinishReason.LENGTH, usage)
        return
    rest = replace(request, prompt=prompt, sampling=replace(request.sampling, max_new_tokens=left))
    async with aclosing(engine.generate(rest)) as events:
        async for event in events:
            if isinstance(event, Reading):
                continue  # it has been read before
            if not isinstance(event, Finished):
                if found := reply.take(event):
                    yield found
                continue
            for delta in reply.end():
                yield delta
            yield Finished(event.reason, replace(usage, completion_tokens=spent + event.usage.completion_tokens))


class _Reply:
    """A reply that is being split."""

    def __init__(self, request: GenerationRequest, manifest: Manifest) -> None:
        opening = opened_by(request.prompt.text) if request.phase is Phase.BEFORE else None
        phase = Phase.REASONING if opening else request.phase
        if phase is Phase.BEFORE and manifest.reasoning.opened and request.sampling.thinking is not False:
            phase = Phase.REASONING
        is_continued = request.phase is Phase.REASONING
        self.splitter = ReasoningSplitter(phase, TAGS[opening] if opening else CLOSING, is_continued=is_continued)
        self.n_tokens = 0
        self.thought_tokens = 0
        self._pieces: list[str] = []  # as the model wrote them
        self._unseen = 0  # tokens whose text is held back
        self._chances: list[TokenChance] = []  # of the tokens that may be of the answer

    @property
    def written(self) -> str:
        """The reply so far, as the model wrote it."""
        return "".join(self._pieces)

    def take(self, delta: Delta) -> Delta | None:
        """What `delta` adds, split."""
        if self.splitter.phase is Phase.ANSWER and not delta.reasoning:
            return delta
        self.n_tokens += delta.n_tokens
        self._unseen += delta.n_tokens
        self._chances += delta.chances
        self._pieces.append(delta.text)
        said = self.splitter.push(delta.text)
        if delta.reasoning:  # of an upstream that splits it itself
            self.splitter.phase = Phase.ANSWER if said.text else Phase.AFTER
        if delta.reasoning or said.reasoning or self.splitter.phase is Phase.REASONING:
            self.thought_tokens += delta.n_tokens
        return self._delta(Said(said.text, delta.reasoning + said.reasoning))

    def end(self) -> Iterator[Delta]:
        """What was held back, at the end of the reply."""
        if delta := self._delta(self.splitter.flush()):
            yield delta

    def _delta(self, said: Said) -> Delta | None:
        if not said.text and not said.reasoning:
            return None
        chances = last_of(self._chances, said.text)
        delta, self._unseen = Delta(said.text, self._unseen, said.reasoning, chances), 0
        self._chances.clear()
        return delta
