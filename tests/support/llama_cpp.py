"""llama.cpp on a GGUF file, as a process of its own, with its arithmetic in full precision where that can be asked for.

What Parley's engine shows of it is a chat; tests of a conversion need tokens and probabilities.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

_SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames, params.port, params.api_keys, params.ui = ["127.0.0.1"], 0, ["key"], False
params.n_parallel, params.n_ctx, params.cache_ram_mib, params.verbosity = 1, 256, 0, 1
params.fit_params = params.ctx_shift = params.warmup = False
for threads in (params.cpuparams, params.cpuparams_batch):
    threads.n_threads, threads.poll = 1, 0
params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


class LlamaCpp:
    """A running llama.cpp."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def tokenize(self, text: str, *, add_special: bool = True) -> list[int]:
        """The ids of a text; special tokens typed in it are tokens."""
        found: list[int] = self._post("/tokenize", {"content": text, "add_special": add_special})["tokens"]
        return found

    def greedy(self, prompt: list[int], tokens: int) -> list[int]:
        """The ids that follow, the likeliest at each place; ends of a reply are never chosen."""
        body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "top_k": 1, "ignore_eos": True}
        found: list[int] = self._post("/completion", body | {"return_tokens": True, "cache_prompt": False})["tokens"]
        return found

    def logprobs(self, prompt: list[int], count: int) -> dict[int, float]:
        """The logarithms of the likeliest next tokens' probabilities, before any sampling."""
        body = {"prompt": prompt, "n_predict": 1, "n_probs": count, "cache_prompt": False}
        letter = self.tokenize("e", add_special=False)[-1]  # chosen, as half a character would not be answered
        answer = self._post("/completion", body | {"logit_bias": [[letter, 1000]]})
        return {entry["id"]: entry["logprob"] for entry in answer["completion_probabilities"][0]["top_logprobs"]}

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextmanager
def llama_cpp(weights: Path) -> Iterator[LlamaCpp]:
    """Load a file; the process ends with the block. An AssertionError says why a file can't be loaded."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(weights)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        with httpx.Client(base_url=address, headers={"Authorization": "Bearer key"}, timeout=60) as http:
            yield LlamaCpp(http)
    finally:
        process.kill()
        process.communicate()
