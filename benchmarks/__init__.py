"""What Parley's performance claims rest on.

Each module measures one thing, starts what it measures by itself and alone, prints a table and leaves the raw
numbers in `build/benchmarks/`:

    python -m benchmarks                     all of them, one after the other
    python -m benchmarks.engine_throughput   tokens/s and first token against the bare llama.cpp server
    python -m benchmarks.api_cost            200 streams of the scripted engine: how late is a word?
    python -m benchmarks.startup             seconds to ready and to a first reply, memory
    python -m benchmarks.two_models          two models on the same cores, each against itself alone

Where two things are compared they take turns, several times, and medians are shown.
Run them on a machine that does nothing else.
"""
