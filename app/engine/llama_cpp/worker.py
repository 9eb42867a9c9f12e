"""The llama.cpp worker process, which holds the weights: llama.cpp's own server on a loopback port, with an API key.

Run by :class:`app.engine.worker_process.WorkerProcess` as ``python -m app.engine.llama_cpp.worker``, with the
configuration that :class:`app.engine.llama_cpp.engine.LlamaCppEngine` sends. The only module that imports xllamacpp.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.domain.prefill import LLAMA_CPP_BATCH_TOKENS
from app.engine.lifeline import attach
from app.errors import ParleyError
from app.weights.formats.gguf import read_header

_LOG_FLUSH_S = 0.1  # llama.cpp logs from a separate thread, and the log contains the reason


def server_parameters(config: dict[str, Any], adapters: Mapping[str, Path]) -> Any:
    """llama.cpp's parameters for `config` and GGUF `adapters`; everything else keeps llama.cpp's defaults."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = config["weights"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free port
    params.api_keys = [config["key"]]
    params.ui = False
    params.chat_template = "chatml"  # a built-in one, so that the file's template is not run: see app.engine.templates
    params.verbosity = 1  # errors only: they are the reason in our messages
    params.n_parallel = config["slots"]
    params.n_ctx = config["slots"] * config["context_tokens"]
    params.n_batch = LLAMA_CPP_BATCH_TOKENS
    params.kv_unified = False  # each slot has its own context
    params.ctx_shift = False  # a full context ends the reply instead of dropping the oldest tokens
    params.fit_params = False  # the supervisor decides what fits
    # Read, not mapped: weights that llama.cpp repacks for the CPU (q4_0, three times as fast) would be in memory twice.
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    # The prompt cache outside the slots (8 GiB by default) is keyed by text only, not by adapter: off with adapters.
    params.cache_ram_mib = 0 if adapters else config["cache_mib"]
    params.lora_init_without_apply = True  # each request names its adapter
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 0.0) for path in adapters.values()]
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = config["threads"]
        threads.poll = 0  # waiting threads yield their core
    return params


def ready_adapters(config: dict[str, Any], folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The adapters' GGUF files by name, converted into `folder` where needed; and the reasons for those that failed."""
    ready: dict[str, Path] = {}
    refused: dict[str, str] = {}
    wanted = config.get("adapters", {})
    if not wanted:
        return ready, refused
    from app.weights.converting.lora import gguf_adapter

    base = read_header(Path(config["weights"]))
    for name, adapter in wanted.items():
        try:
            ready[name] = gguf_adapter(Path(adapter), base, folder)
        except ParleyError as err:
            refused[name] = err.message
    return ready, refused


def serve(config: dict[str, Any], adapters: Mapping[str, Path]) -> tuple[Any, dict[str, str]]:
    """Start llama.cpp's server with `adapters`, or without them if they fail to load; and the reasons by name.

    Raises ``RuntimeError`` for a model that can't be loaded.
    """
    import xllamacpp

    try:
        return xllamacpp.Server(server_parameters(config, adapters)), {}
    except RuntimeError:
        if not adapters:
            raise
    server = xllamacpp.Server(server_parameters(config, {}))
    return server, dict.fromkeys(adapters, "llama.cpp can't load this model's adapters; its log says which.")


def main() -> None:
    """Serve until the parent is gone."""
    lifeline = attach()
    try:
        importlib.import_module("xllamacpp")
    except ImportError as missing:
        lifeline.failed(f"llama.cpp is not installed ({missing}); install it with `pip install xllamacpp`")
    config: dict[str, Any] = lifeline.config
    try:
        with tempfile.TemporaryDirectory() as temporary:  # not needed once loaded: llama.cpp reads adapters into memory
            adapters, refused = ready_adapters(config, Path(config.get("cache_dir") or temporary))
            server, unusable = serve(config, adapters)
    except (RuntimeError, ValueError, MemoryError) as err:
        time.sleep(_LOG_FLUSH_S)
        lifeline.failed(str(err) or type(err).__name__)
    except ParleyError as err:
        lifeline.failed(err.message)
    names = [name for name in adapters if name not in unusable]
    lifeline.ready({"address": server.listening_address, "adapters": names, "refused": refused | unusable})
    lifeline.hold()


if __name__ == "__main__":
    main()
