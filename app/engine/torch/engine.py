"""The PyTorch engine's part in the server process: sends requests to one worker and restarts it when it has died.

It never imports torch. The worker holds the model, its tokenizer and the batch; this side handles stop strings, the
family's clean-up of a reply, and the distinction between a failed request and a dead worker.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from app.domain.generation import Delta, EngineEvent, Finished, FinishReason, GenerationRequest, Prompt, Usage
from app.domain.messages import Turn
from app.engine.base import LoadPlan
from app.engine.control_tokens import PromptText
from app.engine.stopping import TextGate
from app.engine.threads import OPENMP_FOR_TORCH
from app.engine.torch.client import Refused, WorkerClient
from app.engine.worker_engine import WorkerEngine
from app.engine.worker_process import WorkerProcess
from app.errors import GenerationFailed, PromptTooLong, WorkerFailed

_MODULE = "app.engine.torch.worker"
# Number GPUs as nvidia-smi does, so that the free memory it reports is that of the GPU that loads the model.
_GPU_ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
_NOT_SAMPLED = ("stop", "thinking", "thinking_tokens")  # what the worker's sampler doesn't know
_START_TIMEOUT_S = 1800.0  # the first start of a large model may quantize it


class TorchEngine(WorkerEngine):
    """Engine for one Hugging Face folder in one worker; the worker loads all adapters or fails to start."""

    def __init__(self, plan: LoadPlan) -> None:
        super().__init__(plan)
        self._client: WorkerClient | None = None

    async def start(self) -> None:
        """Load the weights; raises :class:`WorkerFailed`."""
        async with self._starting:
            if self.alive:
                return
            if self._client is not None:
                await self._client.close()
            ours, theirs = socket.socketpair()
            with theirs:
                fd = theirs.fileno()
                config = {**self._worker_config(), "fd": fd}
                child = self._child = WorkerProcess(
                    _MODULE,
                    config,
                    start_timeout_s=_START_TIMEOUT_S,
                    pass_fds=(fd,),
                    environment=OPENMP_FOR_TORCH | _GPU_ORDER,
                )
                try:
                    said = await child.start()
                except WorkerFailed as failed:
                    ours.close()
                    raise WorkerFailed(failed.message, model_id=self._plan.manifest.id, **failed.details) from failed
                except BaseException:
                    ours.close()
                    raise
            self._special_tokens = _strings(said.get("special_tokens"))
            self._client = await WorkerClient.over(ours)
            async with self._worker() as worker:
                tokens = await worker.ask("control_tokens")
            self._know_control_tokens(tokens["control"], tokens["defined"])

    async def stop(self) -> None:
        """Stop the worker; running requests raise :class:`WorkerDied`."""
        if self._child is not None:
            await self._child.stop()
        if self._client is not None:
            await self._client.close()

    async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None) -> Prompt:
        """Render by the family's format, or by the checkpoint's own chat template where the family has none."""
        family, native = self._plan.family, self._plan.native
        if family.render is None and native is None:
            messages = [{"role": turn.role.value, "content": turn.content} for turn in turns]
            wanted: dict[str, object] = {"messages": messages, "prefill": prefill}
        else:
            wanted = self._to_tokenize(await self._prompt_text(turns, prefill, thinking), prefill)
        async with self._worker() as worker:
            answer = await worker.ask("render", **wanted)
        return Prompt(answer["text"], answer["n"], tuple(answer["ids"]))

    async def extend(self, prompt: Prompt, begun: str, closing: str) -> Prompt:
        """The prompt's tokens are kept."""
        said = self._reply_text(begun, closing)
        wanted = {"native": True, "text": said.text, "pieces": self._control_tokens.pieces(said), "begun": True}
        async with self._worker() as worker:
            answer = await worker.ask("render", **wanted)
        ids = (*(prompt.token_ids or ()), *answer["ids"])
        return Prompt(prompt.text + said.text, len(ids), ids)

    def _to_tokenize(self, prompt: PromptText, prefill: str) -> dict[str, object]:
        """The request for a prompt's tokens: for its text, or where that spells control tokens, for its pieces."""
        wanted: dict[str, object] = {"native": self._plan.family.render is None}
        if prompt.spelled:
            begun = prompt.starts_with(self._special_tokens.get("bos_token", ""))
            return wanted | {"text": prompt.text, "pieces": self._control_tokens.pieces(prompt), "begun": begun}
        text = prompt.text.removesuffix(prefill)  # some tokenizers have tokens of their own between the two
        return wanted | {"text": text, "prefill": prefill if text + prefill == prompt.text else ""}

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[EngineEvent, None]:
        """A delta for each step that produced text, then ``Finished``."""
        self._check_length(request.prompt)
        reply = _Reply(self._plan, request)
        sampling = {key: value for key, value in request.sampling.as_dict().items() if key not in _NOT_SAMPLED}
        wanted = {"ids": list(request.prompt.token_ids or ()), "sampling": sampling, "adapter": request.adapter}
        async with self._worker() as worker, aclosing(worker.stream(**wanted)) as steps:
            async for output in steps:
                if output.end == "error":
                    raise Refused(output.error)
                if delta := reply.add(output.text, output.n_tokens, ended=output.end is not None):
                    yield delta
                if reply.stopped or output.end is not None:
                    yield reply.finished(output.end, output.cached_tokens)
                    return

    async def busy(self) -> int:
        """The number of requests in the worker."""
        async with self._worker() as worker:
            return int((await worker.ask("busy"))["busy"])

    def _check_length(self, prompt: Prompt) -> None:
        if prompt.n_tokens >= self._plan.context_tokens:
            raise PromptTooLong(
                f"This text is too long: it has {prompt.n_tokens} tokens and this model reads "
                f"{self._plan.context_tokens}. Shorten it, or choose a model with a longer context.",
                prompt_tokens=prompt.n_tokens,
                context_tokens=self._plan.context_tokens,
            )

    def _worker_config(self) -> dict[str, object]:
        plan = self._plan
        return {
            **super()._worker_config(),
            "folder": str(plan.weights.resolve()) if plan.weights else "",
            "model_id": plan.manifest.id,
            "quantization": plan.quantization,
        }

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[WorkerClient]:
        """The client of the running worker; its errors become :class:`GenerationFailed` or :class:`WorkerDied`."""
        child, client = self._child, self._client
        if child is None or client is None:
            raise self._died("is not running")
        try:
            yield client
        except Refused as refused:
            raise GenerationFailed(str(refused)) from refused
        except OSError as broken:
            raise await self._connection_error(child, broken) from broken


def _strings(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


class _Reply:
    """One reply's post-processing (clean-up, stop strings) and token counts."""

    def __init__(self, plan: LoadPlan, request: GenerationRequest) -> None:
        self._gate = TextGate((*request.sampling.stop, *plan.family.stop))
        self._cleaner = plan.family.cleaner() if plan.family.cleaner else None
        self._prompt_tokens = request.prompt.n_tokens
        self._generated = self._unseen = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found."""
        return self._gate.stopped

    def add(self, text: str, n_tokens: int, *, ended: bool) -> Delta | None:
        """Add the text of `n_tokens` new tokens; returns the text that is final, if any."""
        self._generated += n_tokens
        self._unseen += n_tokens
        if self._cleaner is not None:
            text = self._cleaner.push(text) + (self._cleaner.flush() if ended else "")
        text = self._gate.push(text) + (self._gate.flush() if ended else "")
        if not text:
            return None
        delta, self._unseen = Delta(text, self._unseen), 0
        return delta

    def finished(self, end: str | None, cached_tokens: int) -> Finished:
        """The ``Finished`` event; a stop string takes precedence over the worker's finish reason."""
        reason = FinishReason.LENGTH if end == "length" and not self.stopped else FinishReason.STOP
        return Finished(reason, Usage(self._prompt_tokens, self._generated, cached_tokens))
