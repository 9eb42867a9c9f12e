"""Benchmarks for Parley's performance claims.

Each module measures one thing. It starts the measured program itself, prints a table and writes the raw numbers to
`build/benchmarks/`:

    python -m benchmarks                     all benchmarks of `make bench`, one after the other
    python -m benchmarks.engine_throughput   tokens/s and first token compared with llama.cpp's server alone
    python -m benchmarks.api_cost            latency of 200 streams from the scripted engine
    python -m benchmarks.overload            400 requests for 20 places: how soon they are refused
    python -m benchmarks.startup             seconds to the page and to the first reply, memory
    python -m benchmarks.two_models          two models on the same cores, each compared with itself alone

docs/benchmarks.md describes all of them.

Compared programs run alternately, several times, and medians are shown. Run them on an otherwise idle machine.
"""
