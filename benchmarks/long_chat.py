"""Time to the first text of each reply in a growing conversation of twenty questions.

It uses the API with the default model, as the page does. llama.cpp computes only the new part of each prompt, so the
time must stay almost constant although the history grows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import DEFAULT_MODEL, parley
from benchmarks.report import median, publish

QUESTIONS = ("Tell me about rivers.", "And mountains?", "What do people eat there?", "Describe a winter morning.")


def ask(http: httpx.Client, conversation_id: str, parent_id: str | None, content: str) -> dict[str, Any]:
    """Ask one question; seconds to the first text, and the final message."""
    body = {"content": content, "parent_id": parent_id, "sampling": {"max_new_tokens": 64, "temperature": 0}}
    began = time.perf_counter()
    first_s = 0.0
    headers = {"Accept": "text/event-stream"}
    with http.stream("POST", f"/api/conversations/{conversation_id}/messages", json=body, headers=headers) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("event: delta") and not first_s:
                first_s = time.perf_counter() - began
            if line.startswith("data: ") and '"role":"assistant"' in line:
                message = json.loads(line[6:])["message"]
    return {"first_text_s": first_s, "message": message}


def chat(n_turns: int) -> list[dict[str, Any]]:
    """One conversation with a new server."""
    turns: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as name,
        parley(Path(name)) as server,
        httpx.Client(base_url=server.url, timeout=120) as http,
    ):
        http.post(f"/api/models/{DEFAULT_MODEL}/load").raise_for_status()
        conversation_id = http.post("/api/conversations", json={}).json()["id"]
        for number in range(n_turns):
            parent_id = turns[-1]["message"]["id"] if turns else None
            turns.append(ask(http, conversation_id, parent_id, QUESTIONS[number % len(QUESTIONS)]))
    return turns


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    chats = [chat(given.turns) for _ in range(given.repeats)]
    rows = [
        {
            "turn": number + 1,
            "first text ms": round(1000 * median(turns[number]["first_text_s"] for turns in chats)),
            "prompt tokens": chats[0][number]["message"]["usage"]["prompt_tokens"],
            "of them cached": chats[0][number]["message"]["usage"]["cached_tokens"],
        }
        for number in range(given.turns)
    ]
    publish("long_chat", rows)


if __name__ == "__main__":
    main()
