"""Engine without a model that follows a script: for tests, benchmarks and work on the page. Runs in process.

Tokens are counted by a simple rule: a word with the blanks before it is one token, and so is each Chinese, Japanese or
Korean character and each emoji. Each piece of a reply is one token, whatever its length.
"""

from __future__ import annotations

import asyncio
import codecs
import itertools
import random
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass

from app.domain.generation import (
    ALL_OPTIONS,
    LOGPROBS,
    Delta,
    EngineEvent,
    Finished,
    FinishReason,
    GenerationRequest,
    Prompt,
    Usage,
)
from app.domain.messages import Turn
from app.domain.reasoning import OPENING, continued
from app.engine.base import Capabilities, EngineFactory, LoadPlan
from app.engine.stopping import TextGate
from app.errors import EngineError, PromptTooLong, WorkerDied
from app.models.engine_input import NOTHING

_TOKEN = re.compile(r"\s*[\u2e80-\uffef\U0001f000-\U0001ffff]|\s*[^\s\u2e80-\uffef\U0001f000-\U0001ffff]+|\s+")
_WORDS = ("river", "lantern", "copper", "window", "garden", "signal", "harbor", "winter", "orange", "paper", "silver")


@dataclass(frozen=True, slots=True)
class Reply:
    """A scripted reply."""

    pieces: tuple[str | bytes, ...]  # bytes may split a character, as a model's tokens do
    delay_ms: float = 0.0  # before each piece
    fault: EngineError | None = None  # raised instead of the piece number `fault_after`
    fault_after: int = 0
    hangs: bool = False  # the reply never ends after the last piece

    @classmethod
    def of(cls, text: str, delay_ms: float = 0.0) -> Reply:
        """`text`, token by token."""
        return cls(tuple(tokens(text)), delay_ms)

    @classmethod
    def byte_by_byte(cls, text: str, delay_ms: float = 0.0) -> Reply:
        """`text`, a token for each byte of its UTF-8."""
        return cls(tuple(bytes([b]) for b in text.encode()), delay_ms)


Script = Callable[[GenerationRequest], Reply]


def tokens(text: str) -> list[str]:
    """The tokens of `text`; joined, they are `text`."""
    return _TOKEN.findall(text)


def echo(delay_ms: float = 50.0) -> Script:
    """A script that repeats the question, word by word. One that begins with a tag of reasoning is the reply itself."""

    def script(request: GenerationRequest) -> Reply:
        question = request.prompt.text.rpartition("\nassistant: ")[0].rpartition("user: ")[2]
        return Reply.of(question if question.startswith(OPENING) else f"You said: {question}", delay_ms)

    return script


def babble(n_words: int, delay_ms: float = 50.0) -> Script:
    """A script of random words, seeded by the request; with temperature 0 always the same."""

    def script(request: GenerationRequest) -> Reply:
        chance = random.Random(request.sampling.seed if request.sampling.temperature else 0)
        return Reply.of(" ".join(chance.choice(_WORDS) for _ in range(n_words)), delay_ms)

    return script


def rules(*cases: tuple[str, Reply], otherwise: Script | None = None) -> Script:
    """A script with the reply of the first case whose pattern is in the prompt, else `otherwise` or an instant echo."""
    compiled = [(re.compile(pattern), reply) for pattern, reply in cases]
    default = otherwise or echo(delay_ms=0)

    def script(request: GenerationRequest) -> Reply:
        found = (reply for pattern, reply in compiled if pattern.search(request.prompt.text))
        return next(found, None) or default(request)

    return script


class ScriptedEngine:
    """An engine that follows a script. A :class:`WorkerDied` in it ends all running replies, as with a real worker."""

    def __init__(
        self, script: Script, *, context_tokens: int = 4096, slots: int = 4, stops: Sequence[str] = ()
    ) -> None:
        self.starts = 0  # number of starts
        self._script = script
        self._capabilities = Capabilities(
            context_tokens, slots, thinking_limit=True, hides_opening=True, options=ALL_OPTIONS - LOGPROBS
        )
        self._stops = tuple(stops)
        self._death = asyncio.Event()
        self._death.set()

    @property
    def alive(self) -> bool:
        """Whether it was started and not killed by its script."""
        return not self._death.is_set()

    @property
    def pid(self) -> int | None:
        """``None``: there is no worker process."""
        return None

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities it was built with."""
        return self._capabilities

    async def start(self) -> None:
        """Mark the engine as running."""
        if not self.alive:
            self.starts += 1
            self._death = asyncio.Event()

    async def stop(self) -> None:
        """End all running replies."""
        self._death.set()

    async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None) -> Prompt:
        """One line for each turn: ``role: content``. Without `thinking`, empty reasoning at the end, as Qwen3 does."""
        lines = [f"{turn.role.value}: {turn.content}\n" for turn in turns]
        asked = "".join(lines) + "assistant: " + ("<think>\n\n</think>\n\n" if thinking is False else "")
        text = "".join(piece.text for piece in continued(asked, prefill))
        return Prompt(text, len(tokens(text)))

    async def extend(self, prompt: Prompt, begun: str, closing: str) -> Prompt:
        """The text of both."""
        text = f"{prompt.text}{begun}\n{closing}\n\n"
        return Prompt(text, len(tokens(text)))

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[EngineEvent, None]:
        """The script's reply, within the request's limits."""
        death = self._death
        reply = self._script(request)
        gate = TextGate((*request.sampling.stop, *self._stops))
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        limit = min(request.sampling.max_new_tokens, self._limit(request.prompt))
        pieces: Iterable[str | bytes] = itertools.cycle(reply.pieces) if request.sampling.ignore_eos else reply.pieces
        pace = _Pace(reply.delay_ms, death)
        n_sent = unseen = 0
        reason = FinishReason.STOP
        for number, piece in enumerate(pieces):
            if n_sent >= limit:
                reason = FinishReason.LENGTH
                break
            await pace.wait()
            if reply.fault is not None and number == reply.fault_after:
                self._fail(reply.fault)
            n_sent, unseen = n_sent + 1, unseen + 1
            text = gate.push(piece if isinstance(piece, str) else decoder.decode(piece))
            if text:
                yield Delta(text, unseen)
                unseen = 0
            if gate.stopped:
                break
        else:
            if reply.fault is not None:
                self._fail(reply.fault)
            if reply.hangs:
                await pace.wait_for_death()
        if rest := gate.flush():
            yield Delta(rest, unseen)
        yield Finished(reason, Usage(request.prompt.n_tokens, n_sent))

    def _limit(self, prompt: Prompt) -> int:
        left = self._capabilities.context_tokens - prompt.n_tokens
        if left < 1:
            raise PromptTooLong(
                f"This text is too long: it has {prompt.n_tokens} tokens and this model reads "
                f"{self._capabilities.context_tokens}. Shorten it.",
                prompt_tokens=prompt.n_tokens,
                context_tokens=self._capabilities.context_tokens,
            )
        return left

    def _fail(self, fault: EngineError) -> None:
        if isinstance(fault, WorkerDied):
            self._death.set()
        raise fault


class _Pace:
    """A timer without drift that raises once the engine has died."""

    def __init__(self, delay_ms: float, death: asyncio.Event) -> None:
        self._delay_s = delay_ms / 1000
        self._death = death
        self._due_s = asyncio.get_running_loop().time()

    async def wait(self) -> None:
        """Wait until the next tick, at least one iteration of the event loop."""
        self._due_s += self._delay_s
        await asyncio.sleep(max(0.0, self._due_s - asyncio.get_running_loop().time()))
        if self._death.is_set():
            raise self._died()

    async def wait_for_death(self) -> None:
        """Wait until the engine is stopped, then raise."""
        await self._death.wait()
        raise self._died()

    @staticmethod
    def _died() -> WorkerDied:
        return WorkerDied("The scripted engine was stopped. Try again.")


def _build(plan: LoadPlan) -> ScriptedEngine:
    return ScriptedEngine(echo(), context_tokens=plan.context_tokens, slots=plan.slots, stops=plan.family.stop)


ENGINE = EngineFactory("scripted", _build, takes=NOTHING, slots=256)
