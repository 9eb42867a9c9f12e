"""``parley chat``: chat in the terminal, with the same history as the page."""

from __future__ import annotations

import asyncio
import io
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import typer

from app.auth.secret_tokens import KeyText
from app.cli import uvicorn_server
from app.cli.ctrl_c import on_interrupt
from app.cli.errors import reported
from app.cli.running_server import client_for, problem_at
from app.config import Settings
from app.errors import NotSignedIn, ParleyError, WorkerFailed
from app.main import create_app
from frontends.client import ApiError, ParleyClient

HELP = """Chat in the terminal. The conversation is saved, and you can continue it on the page.

This uses the running server; if there is none, it starts one until you leave.

While chatting: `/clear` starts a new conversation, `/model` lists the models, `/model ID` switches to one,
`/stop` (or Ctrl-D) leaves, Ctrl-C stops the current reply. ChatGLM's bare `clear` and `stop` work too.
"""

COMMANDS = "/clear  new conversation    /model [ID]  list or switch models    /stop  leave    Ctrl-C  stop the reply"


@reported
def chat(
    model: Annotated[str | None, typer.Option(help="Model to chat with; see `parley models list`.")] = None,
    url: Annotated[str | None, typer.Option(help="A running Parley, e.g. http://127.0.0.1:7860.")] = None,
    system: Annotated[str, typer.Option(help="System prompt: instructions for the model.")] = "",
) -> None:
    """Chat until the user leaves."""
    asyncio.run(_chat(Settings(), model, url, system))


async def _chat(settings: Settings, model: str | None, url: str | None, system: str) -> None:
    async with _server(settings, url) as (at, api_key):
        client = client_for(at, api_key)
        try:
            await Session(client, model, system).run()
        except ApiError as err:
            raise WorkerFailed(err.message) from err
        finally:
            await client.aclose()


class Session:
    """A chat session in a terminal."""

    def __init__(self, client: ParleyClient, model: str | None, system: str) -> None:
        self._client, self._model, self._system = client, model, system
        self._conversation_id: str | None = None
        self._leaf_id: str | None = None

    async def run(self) -> None:
        """Read input, send it and print replies until the user leaves."""
        chosen = await self._require_model()
        print(f"{chosen}\n{COMMANDS}\n")
        while (line := await _read_line()) is not None:
            text = line.strip()
            word, _, rest = text.partition(" ")
            if text in ("stop", "/stop", "/quit", "/exit"):
                return
            if text in ("clear", "/clear"):
                self._conversation_id = self._leaf_id = None
                print("New conversation.")
            elif word == "/model":
                await self._change_model(rest.strip())
            elif word.startswith("/") and text != "/":
                print(COMMANDS)
            elif text:
                await self._ask(text)

    async def _require_model(self) -> str:
        listing = (await self._client.models())["items"]
        wanted = [m for m in listing if (_matches(m, self._model) if self._model else m["default"])]
        if not wanted:
            known = ", ".join(m["id"] for m in listing) or "none"
            what = f"There is no model {self._model!r}." if self._model else "No model has been downloaded yet."
            raise WorkerFailed(f"{what} Known models: {known}. Download one with `parley models pull ID`.")
        return f"{wanted[0]['title']}: {wanted[0]['description']}"

    async def _change_model(self, model_id: str) -> None:
        listing = (await self._client.models())["items"]
        if not any(_matches(m, model_id) for m in listing):
            for m in listing:
                print(f"  {m['id']:32} {m['state']}")
                more = [variant["id"] for variant in m["quantizations"] if not variant["default"]]
                for reference in [*more, *(f"{m['id']}+{adapter['name']}" for adapter in m["adapters"])]:
                    print(f"    {reference}")
            return
        self._model = model_id
        print(f"Now chatting with {model_id}.")

    async def _ask(self, text: str) -> None:
        try:
            if self._conversation_id is None:
                made = await self._client.create_conversation({"system_prompt": self._system})
                self._conversation_id = made["id"]
            sent = await self._client.send(self._conversation_id, self._leaf_id, text, model_id=self._model)
            self._leaf_id = sent["reply"]["id"]
            await self._print_reply(self._conversation_id, self._leaf_id)
        except ApiError as err:
            print(f"\n{err.message}", file=sys.stderr)

    async def _print_reply(self, conversation_id: str, reply_id: str) -> None:
        """Print a reply while it is generated; Ctrl-C stops it and keeps the text so far."""
        stopping: set[asyncio.Task[object]] = set()

        def stop() -> None:
            stopping.add(asyncio.create_task(_quietly(self._client.stop(reply_id))))

        shown, thinks = 0, False
        with on_interrupt(stop):
            async for event in self._client.events(conversation_id):
                about = event.data.get("message_id")
                if event.name == "snapshot":
                    running = {r["message_id"]: r["text"] for r in event.data["running"]}
                    if reply_id not in running:  # it finished before we subscribed
                        shown = _show((await self._final(conversation_id, reply_id))["content"], shown)
                        break
                    shown = _show(running[reply_id], shown)
                elif about == reply_id and event.name == "reasoning" and not thinks:
                    print("(thinking …)", flush=True)
                    thinks = True
                elif about == reply_id and event.name == "delta":
                    shown = _show(event.data["text"], shown, event.data["offset"])
                elif about == reply_id and event.name in ("finished", "error"):
                    _show(event.data["message"]["content"], shown)
                    if event.name == "error":
                        print(f"\n{event.data['error']['message']}", file=sys.stderr)
                    break
        print("\n")

    async def _final(self, conversation_id: str, reply_id: str) -> dict[str, str]:
        messages = (await self._client.conversation(conversation_id))["messages"]
        return next(m for m in messages if m["id"] == reply_id)


def _show(text: str, shown: int, offset: int = 0) -> int:
    """Print the part of `text` (starting at `offset`) after the first `shown` characters; returns the new `shown`."""
    print(text[max(0, shown - offset) :], end="", flush=True)
    return max(shown, offset + len(text))


async def _quietly(call: Awaitable[object]) -> None:
    """Await `call`, ignoring API errors: a reply that has ended cannot be stopped and need not be."""
    with suppress(ApiError):
        await call


async def _read_line() -> str | None:
    """Read a line of input; ``None`` at its end.

    It is read in a daemon thread, because after Ctrl-C at the prompt the read never returns. Unbuffered, since Python
    cannot exit while another thread holds the lock of the buffered input.
    """
    print("> ", end="", flush=True)
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()

    def set_line(text: str | None) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        typed = io.FileIO(sys.stdin.fileno(), closefd=False).readline()
        with suppress(RuntimeError):  # the loop is closed: the user has left
            loop.call_soon_threadsafe(set_line, typed.decode(errors="replace") if typed else None)

    threading.Thread(target=read, name="prompt", daemon=True).start()
    return await line


def _run_quietly(running: uvicorn_server.Server, listening: socket.socket) -> None:
    """Run the server in a thread; a startup error is raised by `_server`, which waits for the start."""
    with suppress(ParleyError):
        running.run(sockets=[listening])


@asynccontextmanager
async def _server(settings: Settings, url: str | None) -> AsyncIterator[tuple[str, str]]:
    """A server's address, and a key for it: the given one, one running at the configured address, or a new one."""
    at = url or f"http://{settings.host}:{settings.port}"
    problem = await problem_at(at, settings.api_key)
    if problem is None:
        yield at, settings.api_key
        return
    if url or isinstance(problem, NotSignedIn):
        raise problem
    listening = uvicorn_server.bind(settings.host, 0)
    key = str(KeyText.new())
    running = uvicorn_server.Server(create_app(settings, command_key=key))
    thread = threading.Thread(target=_run_quietly, args=(running, listening), daemon=True)
    thread.start()
    try:
        while not running.started and thread.is_alive():  # noqa: ASYNC110 - uvicorn has no event to wait for
            await asyncio.sleep(0.02)
        running.raise_startup_error()
        yield uvicorn_server.address(listening), key
    finally:
        running.should_exit = True
        await asyncio.to_thread(thread.join)


def _matches(item: Mapping[str, Any], reference: str) -> bool:
    """Whether `reference` (base@quantization+adapter) names this model of the list."""
    base, _, adapter = reference.partition("+")
    variants = item["quantizations"]
    named = [item["id"], *(name for v in variants for name in (v["id"], f"{item['id']}@{v['name']}"))]
    return base in named and (not adapter or adapter in [one["name"] for one in item["adapters"]])
