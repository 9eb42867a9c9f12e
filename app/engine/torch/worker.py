"""The PyTorch worker process, which holds the weights: one thread computes, one reads requests, one renders prompts.

Run by :class:`app.engine.worker_process.WorkerProcess` as ``python -m app.engine.torch.worker``, with the
configuration that :class:`app.engine.torch.engine.TorchEngine` sends. Its protocol: :mod:`app.engine.torch.frames`.
"""

from __future__ import annotations

import os
import socket
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from app.domain.sampling import SamplingParams
from app.engine.lifeline import Lifeline, attach
from app.engine.torch.frames import StepOutput, pack, read

_LOCAL_ONLY = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}  # nothing is downloaded


class Connection:
    """The worker's end of the connection to its parent; thread-safe for sending."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._lock = threading.Lock()

    def send(self, frame: Mapping[str, Any]) -> None:
        """Send one frame, not interleaved with other threads' frames. Raises ``OSError``."""
        with self._lock:
            self.connection.sendall(pack(frame))

    def send_step(self, outputs: list[StepOutput]) -> None:
        """Send the outputs of one step."""
        self.send({"step": outputs})


class Service:
    """Dispatches requests to the scheduler and the renderer."""

    def __init__(self, connection: Connection, scheduler: Any, tokenizer: Any, context_tokens: int) -> None:
        self._connection = connection
        self._context_tokens = context_tokens
        self._scheduler = scheduler
        self._tokenizer = tokenizer
        self._renderer = ThreadPoolExecutor(1, "render")

    def listen(self) -> None:
        """Handle requests until the parent disconnects. Rendering has its own thread, so it never delays a cancel."""
        while (frame := read(self._connection.connection)) is not None:
            if frame["op"] == "render":
                self._renderer.submit(self._render, frame)
            else:
                self._handle(frame)

    def _handle(self, frame: dict[str, Any]) -> None:
        from app.engine.torch.sequences import GenerationJob

        op, number = frame["op"], frame["id"]
        if op == "generate":
            params = SamplingParams(**frame["sampling"])
            self._scheduler.submit(GenerationJob(number, frame["ids"], params, frame["adapter"]))
        elif op == "cancel":
            self._scheduler.cancel(number)
        elif op == "control_tokens":
            from app.engine.torch.rendering import control_tokens

            control, defined = control_tokens(self._tokenizer)
            self._connection.send({"id": number, "control": control, "defined": defined})
        else:
            self._connection.send({"id": number, "busy": self._scheduler.busy})

    def _render(self, frame: dict[str, Any]) -> None:
        from app.engine.torch.rendering import RenderingFailed, rendered

        try:
            text, ids = rendered(self._tokenizer, frame)
        except RenderingFailed as failed:
            self._connection.send({"id": frame["id"], "error": str(failed)})
        except Exception as error:  # noqa: BLE001
            self._connection.send({"id": frame["id"], "error": f"The prompt could not be rendered ({error!r})."})
        else:
            fits = len(ids) < self._context_tokens  # else only the count is needed
            self._connection.send({"id": frame["id"], "text": text, "n": len(ids), "ids": ids if fits else []})


def main() -> None:
    """Serve until the parent is gone."""
    lifeline = attach()
    config = lifeline.config
    connection = Connection(socket.socket(fileno=int(str(config["fd"]))))
    os.environ.update(_LOCAL_ONLY)
    scheduler, tokenizer = _loaded(lifeline, connection)
    from app.engine.torch.rendering import special_tokens

    service = Service(connection, scheduler, tokenizer, int(str(config["context_tokens"])))
    threading.Thread(target=_listen, args=(service,), name="listen", daemon=True).start()
    lifeline.ready({"pid": os.getpid(), "special_tokens": special_tokens(tokenizer)})
    scheduler.run()


def _listen(service: Service) -> NoReturn:
    """Handle requests, then end the process; an error is printed first."""
    try:
        service.listen()
    except Exception:  # noqa: BLE001
        traceback.print_exc()
    os._exit(1)


def _loaded(lifeline: Lifeline, connection: Connection) -> tuple[Any, Any]:
    """The scheduler, after a warm-up, and the tokenizer; a failure to load is reported to the parent."""
    config: Mapping[str, Any] = lifeline.config
    if not Path(config["folder"]).is_dir():
        lifeline.failed(f"The model's folder {config['folder']} does not exist.")
    try:
        import torch

        torch.set_num_threads(config["threads"])
        from app.engine.torch.loading import load
        from app.engine.torch.rendering import render_text
        from app.engine.torch.scheduler import Scheduler
        from app.engine.torch.sequences import GenerationJob

        loaded = load(config)
        first: list[StepOutput] = []
        scheduler = Scheduler(
            loaded, n_slots=config["slots"], context_tokens=config["context_tokens"], emit=first.extend
        )
        _, ids = render_text(loaded.tokenizer, "Hello", "")
        few = SamplingParams(max_new_tokens=2, ignore_eos=True)
        scheduler.submit(GenerationJob(-1, ids[: config["context_tokens"] - 2], few))
        while not first or first[-1].end is None:
            scheduler.step()
        if first[-1].error:
            lifeline.failed(first[-1].error)
    except ImportError as missing:
        lifeline.failed(f"{missing}; `pip install 'parley-chat[torch]'` installs what this model needs.")
    except Exception as error:  # noqa: BLE001
        lifeline.failed(str(error) or type(error).__name__)
    scheduler.emit = connection.send_step
    return scheduler, loaded.tokenizer


if __name__ == "__main__":
    main()
