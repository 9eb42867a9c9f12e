"""HTTP client for Parley's API, used by front ends that run on the server.

    client = ParleyClient("http://127.0.0.1:8000")
    async for event in client.events(conversation_id):
        print(event.name, event.data)

Each route of ``/api`` is one method; the results are the API's own JSON, described in docs/api.md. Every failure is an
:class:`ApiError` with the API's code, so that it can be translated.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal

from frontends.account_client import AccountClient
from frontends.server_events import ServerEvent
from frontends.transport import MODEL_TIMEOUT, ApiError, Json, api_path, given

__all__ = ["ApiError", "Json", "ParleyClient"]


class ParleyClient(AccountClient):
    """The routes of the API."""

    async def info(self) -> Json:
        """Version, user, languages, rating reasons, defaults."""
        return await self._json("GET", "/api/info")

    # --- conversations ------------------------------------------------------------------------------

    async def conversations(self, *, query: str = "", limit: int = 50, cursor: str | None = None) -> Json:
        """A page of the list or of search results: ``items`` and ``next_cursor``."""
        parameters = {"q": query or None, "limit": limit, "cursor": cursor}
        return await self._json("GET", "/api/conversations", params=given(parameters))

    async def create_conversation(self, values: Mapping[str, Any] | None = None) -> Json:
        """Create one: ``title``, ``model_id``, ``system_prompt``, ``sampling``, all optional."""
        return await self._json("POST", "/api/conversations", body=values or {})

    async def conversation(self, conversation_id: str) -> Json:
        """One with its whole tree of ``messages``."""
        return await self._json("GET", api_path("conversations", conversation_id))

    async def update_conversation(self, conversation_id: str, changes: Mapping[str, Any]) -> Json:
        """Change title, model, system prompt, sampling, pin or leaf."""
        return await self._json("PATCH", api_path("conversations", conversation_id), body=changes)

    async def delete_conversation(self, conversation_id: str) -> None:
        """Move it to the trash."""
        await self._call("DELETE", api_path("conversations", conversation_id))

    async def restore_conversation(self, conversation_id: str) -> Json:
        """Restore it from the trash."""
        return await self._json("POST", api_path("conversations", conversation_id, "restore"))

    async def export_conversation(self, conversation_id: str, format: Literal["markdown", "json"] = "markdown") -> str:  # noqa: A002 - the API's word
        """The shown path as Markdown, or the whole tree as JSON text that can be imported."""
        path = api_path("conversations", conversation_id, "export")
        return (await self._call("GET", path, params={"format": format})).text

    async def export_all(self) -> AsyncGenerator[bytes, None]:
        """All conversations as a zip archive, piece by piece."""
        async with aclosing(self._pieces("/api/conversations/export")) as pieces:
            async for piece in pieces:
                yield piece

    async def import_file(
        self,
        content: bytes | AsyncIterable[bytes],
        *,
        name: str = "",
        on_progress: Callable[[Json], None] = lambda told: None,
    ) -> Json:
        """Import the chats, judgements and training data in a file (JSON, JSON Lines or zip), which is called `name`.

        Returns the newest chat, with a ``report`` about all; until then `on_progress` gets lines of progress.
        """
        last: Json = {}
        async with self._lines("/api/conversations/import", given({"name": name[:200] or None}), content) as lines:
            async for line in lines:
                last = line
                if "read" in line:
                    on_progress(line)
        if "error" in last:
            raise ApiError(last["error"]["code"], last["error"]["message"], last["error"].get("details"))
        found: Json = last["imported"]
        return found

    async def imported_files(self) -> list[Json]:
        """The files of training data whose rows are stored: ``name`` and ``rows``."""
        found: list[Json] = (await self._json("GET", "/api/imported-files"))["items"]
        return found

    async def remove_imported_file(self, name: str) -> int:
        """Remove all rows of a file for good, with their judgements; returns how many there were."""
        answer = await self._call("DELETE", "/api/imported-files", params={"name": name}, timeout=MODEL_TIMEOUT)
        removed: int = answer.json()["rows"]
        return removed

    # --- shared conversations -------------------------------------------------------------------------

    async def share(self, conversation_id: str, options: Mapping[str, Any] | None = None) -> Json:
        """Share what is shown now: ``leaf_id``, ``with_name``, ``passcode``, ``valid_hours``, all optional."""
        return await self._json("POST", api_path("conversations", conversation_id, "shares"), body=options or {})

    async def shares(self, conversation_id: str) -> list[Json]:
        """The links to a conversation that are still valid."""
        return await self._list("GET", api_path("conversations", conversation_id, "shares"))

    async def withdraw_share(self, share_id: str) -> None:
        """Withdraw a link."""
        await self._call("DELETE", api_path("shares", share_id))

    async def open_share(self, token: str, passcode: str | None = None) -> Json:
        """What a link shows: ``title``, ``author``, ``messages``."""
        return await self._json("POST", "/api/shared", body=given({"token": token, "passcode": passcode}))

    # --- messages -----------------------------------------------------------------------------------

    async def send(
        self,
        conversation_id: str,
        parent_id: str | None,
        content: str,
        *,
        model_id: str | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> Json:
        """Ask a question below `parent_id`; returns ``question`` and the running ``reply``."""
        body = {"parent_id": parent_id, "content": content, "model_id": model_id, "sampling": sampling}
        return await self._json(
            "POST", api_path("conversations", conversation_id, "messages"), body=body, timeout=MODEL_TIMEOUT
        )

    async def edit(
        self,
        message_id: str,
        content: str,
        *,
        model_id: str | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> Json:
        """Add a new version of a question as a sibling of the old one; returns the same as :meth:`send`."""
        body = {"content": content, "model_id": model_id, "sampling": sampling}
        return await self._json("POST", api_path("messages", message_id, "edit"), body=body, timeout=MODEL_TIMEOUT)

    async def regenerate(
        self, message_id: str, *, model_id: str | None = None, sampling: Mapping[str, Any] | None = None
    ) -> Json:
        """Generate another ``reply`` to the same question."""
        body = {"model_id": model_id, "sampling": sampling}
        return await self._json(
            "POST", api_path("messages", message_id, "regenerate"), body=body, timeout=MODEL_TIMEOUT
        )

    async def continue_reply(self, message_id: str) -> Json:
        """Continue a reply that was cut off: a new ``reply`` that begins with its text."""
        return await self._json("POST", api_path("messages", message_id, "continue"), timeout=MODEL_TIMEOUT)

    async def stop(self, message_id: str) -> Json:
        """Stop a running reply; its text so far is kept."""
        return await self._json("POST", api_path("messages", message_id, "stop"))

    # --- feedback -----------------------------------------------------------------------------------

    async def rate(self, message_id: str, rating: Mapping[str, Any]) -> Json:
        """Rate a reply: ``verdict``, ``reasons``, ``comment``, ``score``."""
        return await self._json("PUT", api_path("messages", message_id, "rating"), body=rating)

    async def correct(self, message_id: str, content: str) -> Json:
        """Say what a reply should have said; returns the corrected ``message`` and the ``ranking``."""
        return await self._json("POST", api_path("messages", message_id, "correction"), body={"content": content})

    async def compare(self, conversation_id: str, comparison: Mapping[str, Any]) -> Json:
        """Ask several ``contenders`` one question; returns the running ``replies`` and the open ``ranking``."""
        path = api_path("conversations", conversation_id, "compare")
        return await self._json("POST", path, body=comparison, timeout=MODEL_TIMEOUT)

    async def rank(self, ranking: Mapping[str, Any]) -> Json:
        """Rank replies to one question: ``source``, ``items``, ``blind``, ``both_bad``."""
        return await self._json("POST", "/api/rankings", body=ranking)

    async def withdraw_ranking(self, ranking_id: str) -> Json:
        """Withdraw a ranking."""
        return await self._json("DELETE", api_path("rankings", ranking_id))

    async def judgements(self, message_id: str) -> list[Json]:
        """The judgements of a reply, and what became of each."""
        return await self._list("GET", api_path("messages", message_id, "judgements"))

    # --- review -------------------------------------------------------------------------------------

    async def feedback_judgements(self, **where: str | int | bool) -> Json:
        """A page of judgements of all people, newest first. Filters: see docs/api.md; ``limit``, ``cursor``."""
        return await self._json("GET", "/api/feedback/judgements", params=where)

    async def feedback_judgement(self, judgement_id: str) -> Json:
        """One judgement with whole texts, and what became of it."""
        return await self._json("GET", api_path("feedback", "judgements", judgement_id))

    async def review(self, judgement_id: str, decision: str, note: str = "") -> Json:
        """Decide about a judgement: ``accepted``, ``excluded``, or ``open`` to take that back."""
        body = {"decision": decision, "note": note}
        return await self._json("PUT", api_path("feedback", "judgements", judgement_id, "review"), body=body)

    async def feedback_statistics(self) -> Json:
        """Counts, intervals and agreement of all judgements."""
        return await self._json("GET", "/api/feedback/statistics", timeout=MODEL_TIMEOUT)

    async def leaderboard(self, **where: str | bool) -> Json:
        """The ranked models. Filters: see docs/api.md."""
        return await self._json("GET", "/api/feedback/leaderboard", params=where, timeout=MODEL_TIMEOUT)

    # --- datasets -----------------------------------------------------------------------------------

    async def datasets(self) -> Json:
        """The datasets, newest first, and the ``formats`` that there are."""
        return await self._json("GET", "/api/datasets")

    async def preview_dataset(self, wanted: Mapping[str, Any]) -> Json:
        """Counts and examples: ``formats``, ``filters``, ``test_share``, ``scrub``, ``reasoning``, all optional."""
        return await self._json("POST", "/api/datasets/preview", body=wanted, timeout=MODEL_TIMEOUT)

    async def build_dataset(self, name: str, wanted: Mapping[str, Any] | None = None) -> Json:
        """Start building it; returns the job. `wanted` as in :meth:`preview_dataset`."""
        return await self._json("POST", "/api/datasets", body={**(wanted or {}), "name": name})

    async def dataset(self, name: str) -> Json:
        """One dataset with its ``manifest``, and why it is ``stale``."""
        return await self._json("GET", api_path("datasets", name))

    async def dataset_file(self, name: str, file: str) -> AsyncGenerator[bytes, None]:
        """One of its files, piece by piece."""
        async with aclosing(self._pieces(api_path("datasets", name, "files", file))) as pieces:
            async for piece in pieces:
                yield piece

    async def dataset_archive(self, name: str) -> AsyncGenerator[bytes, None]:
        """All its files as a zip archive, piece by piece."""
        async with aclosing(self._pieces(api_path("datasets", name, "archive"))) as pieces:
            async for piece in pieces:
                yield piece

    async def delete_dataset(self, name: str) -> None:
        """Delete a dataset with its files."""
        await self._call("DELETE", api_path("datasets", name))

    # --- models -------------------------------------------------------------------------------------

    async def models(self) -> Json:
        """All models with state, size and fit, and this machine's memory."""
        return await self._json("GET", "/api/models")

    async def model(self, model_id: str) -> Json:
        """One model, as in the list."""
        return await self._json("GET", api_path("models", model_id))

    async def pull_model(self, model_id: str) -> None:
        """Start downloading a listed model."""
        await self._call("POST", api_path("models", model_id, "pull"))

    async def pull_by_name(self, source: str) -> Json:
        """Start downloading any model of the hub, ``hub:OWNER/NAME[:FILE][@REVISION]``; returns its ``id``."""
        return await self._json("POST", "/api/models/pull", body={"source": source}, timeout=MODEL_TIMEOUT)

    async def cancel_pull(self, model_id: str) -> None:
        """Stop the download."""
        await self._call("DELETE", api_path("models", model_id, "pull"))

    async def convert_model(self, model_id: str, to: str = "q4_0") -> Json:
        """Start converting a Hugging Face model to GGUF in this number format; returns the job."""
        return await self._json("POST", api_path("models", model_id, "convert"), body={"to": to})

    async def import_model(self, source: str, *, name: str = "", base: str = "", to: str = "auto") -> Json:
        """Start importing a model or adapter from a path on the server's disk; returns the job."""
        body = {"source": source, "name": name, "base": base, "to": to}
        return await self._json("POST", "/api/models/import", body=body)

    async def load_model(self, model_id: str) -> None:
        """Load it into memory; returns once it is ready."""
        await self._call("POST", api_path("models", model_id, "load"), timeout=MODEL_TIMEOUT)

    async def unload_model(self, model_id: str) -> None:
        """Free its memory."""
        await self._call("POST", api_path("models", model_id, "unload"))

    # --- jobs ---------------------------------------------------------------------------------------

    async def jobs(self) -> Json:
        """The newest jobs, the newest first."""
        return await self._json("GET", "/api/jobs")

    async def job(self, job_id: str) -> Json:
        """One job with the end of its ``log``."""
        return await self._json("GET", api_path("jobs", job_id))

    async def cancel_job(self, job_id: str) -> Json:
        """Cancel a job; one that runs ends within seconds."""
        return await self._json("POST", api_path("jobs", job_id, "cancel"))

    async def resume_job(self, job_id: str) -> Json:
        """Queue a job again that failed, was cancelled or interrupted."""
        return await self._json("POST", api_path("jobs", job_id, "resume"))

    async def forget_job(self, job_id: str) -> None:
        """Remove a job that has ended from the list."""
        await self._call("DELETE", api_path("jobs", job_id))

    # --- events -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open_events(
        self, conversation_id: str, last_event_id: str | None = None
    ) -> AsyncGenerator[AsyncGenerator[ServerEvent, None], None]:
        """The conversation's events. Raises :class:`ApiError` on entry; leaving closes the connection at once."""
        resume = {"last-event-id": last_event_id} if last_event_id else {}
        async with self._stream(api_path("conversations", conversation_id, "events"), resume) as events:
            yield events

    async def events(self, conversation_id: str, last_event_id: str | None = None) -> AsyncGenerator[ServerEvent, None]:
        """Like :meth:`open_events`, as one generator; comment lines are ``heartbeat`` events."""
        async with self.open_events(conversation_id, last_event_id) as events:
            async for event in events:
                yield event

    async def model_events(self) -> AsyncGenerator[ServerEvent, None]:
        """The list of models as one event, then its changes; comment lines are ``heartbeat`` events."""
        async with self._stream("/api/models/events", {}) as events:
            async for event in events:
                yield event

    async def job_events(self) -> AsyncGenerator[ServerEvent, None]:
        """The jobs as one event, then their changes; comment lines are ``heartbeat`` events."""
        async with self._stream("/api/jobs/events", {}) as events:
            async for event in events:
                yield event
