"""Runs llama.cpp's own server with the settings of Parley's worker, without Parley.

python -m benchmarks.llama_cpp_server '{"port": 9000, "weights": "model.gguf", "slots": 16, …}'
"""

from __future__ import annotations

import json
import signal
import sys

import xllamacpp

from app.engine.llama_cpp.worker import server_parameters


def main() -> None:
    """Serve until interrupted."""
    config = json.loads(sys.argv[1])
    parameters = server_parameters(config, {})
    parameters.port = config["port"]
    server = xllamacpp.Server(parameters)
    print(f"{server.listening_address}", flush=True)
    signal.sigwait([signal.SIGINT, signal.SIGTERM])


if __name__ == "__main__":
    main()
