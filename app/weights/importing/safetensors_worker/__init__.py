"""Converts published weights to safetensors in a child process, the only one that opens pickles.

    python -m app.weights.importing.safetensors_worker
        reads one JSON line: {"jobs": [{"weights": …, "part": i, "parts": n, "target": path}, …]}

    weights: {"kind": "files", "files": [path, …]}                        stored tensors
             {"kind": "llama", "files": [path, …], "params": {…}}         Meta's shards, joined
             {"kind": "base_plus_delta", "base": weights, "delta": weights, "fill": "mean" or "zero"}

A pickle can run code. PyTorch's restricted unpickler (``weights_only``) allows only a short list of harmless calls;
nothing else is imported or run. Files are mapped into memory, and results are computed and written some rows at a time,
so memory use is bounded. A target file appears when it is complete.

Writes JSON lines: ``{"bytes": n}`` as data is written, ``{"target": path, "sha256": hex, "total": x}`` when a file is
finished (`total` is the sum of a delta's results), ``{"error": "…"}`` when something is refused; then it ends with
exit code 1.

    stored.py       opens files: pickles and safetensors
    rows.py         a tensor that is computed row by row
    llama.py        Meta's shards → Hugging Face's tensors
    delta.py        base + delta weights
    writing.py      tensors → a safetensors file
"""
