"""The child process that holds the weights: llama.cpp's own server on a loopback port, behind a key.

Run by :class:`app.engine.process.Child` as ``python -m app.engine.llama_cpp.worker``; the only module that imports
xllamacpp. Its configuration: what :class:`app.engine.llama_cpp.engine.LlamaCppEngine` sends.
"""

from __future__ import annotations

import time
from typing import Any

from app.engine.lifeline import attach

# Of a prompt at once. While a batch is computed no other reply goes on, and nobody's leaving is noticed. Measured
# beside a prompt of 2,000 tokens (2 cores): 8 s with llama.cpp's own 2,048, 0.6 s with 128; a prompt takes 3 % longer.
_BATCH_TOKENS = 128

_LOG_FLUSH_S = 0.1  # llama.cpp writes its log from a thread of its own, and the log has the reason


def server_parameters(config: dict[str, Any]) -> Any:
    """llama.cpp's parameters for `config`. What is not set here is llama.cpp's default."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = config["weights"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free one
    params.api_keys = [config["key"]]
    params.ui = False
    params.verbosity = 1  # errors: they become the reason in our messages
    params.n_parallel = config["slots"]
    params.n_ctx = config["slots"] * config["context_tokens"]
    params.n_batch = _BATCH_TOKENS
    params.kv_unified = False  # each slot has its own context, whatever the others use
    params.ctx_shift = False  # a full context ends the reply; nothing is forgotten silently
    params.fit_params = False  # the supervisor decides what fits
    params.cache_ram_mib = config["cache_mib"]  # 8 GiB by default
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = config["threads"]
        threads.poll = 0  # waiting threads give their core away
    return params


def main() -> None:
    """Serve until the parent is gone."""
    lifeline = attach()
    try:
        import xllamacpp
    except ImportError as missing:
        lifeline.failed(f"llama.cpp is not installed ({missing}); `pip install xllamacpp` brings it")
    try:
        server = xllamacpp.Server(server_parameters(lifeline.config))
    except (RuntimeError, ValueError, MemoryError) as refused:
        time.sleep(_LOG_FLUSH_S)
        lifeline.failed(str(refused) or type(refused).__name__)
    lifeline.ready({"address": server.listening_address})
    lifeline.hold()


if __name__ == "__main__":
    main()
