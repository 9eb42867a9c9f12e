"""Convert published weights to safetensors in a child process, the only one that ever opens a pickle.

    python -m app.weights.importing.safetensors_worker
        reads one JSON line: {"jobs": [{"weights": …, "part": i, "parts": n, "target": path}, …]}

    weights: {"kind": "files", "files": [path, …]}                        tensors as they are stored
             {"kind": "llama", "files": [path, …], "params": {…}}         Meta's shards, joined
             {"kind": "base_plus_delta", "base": weights, "delta": weights, "fill": "mean" or "zero"}

A pickle is a program. PyTorch's restricted reader (``weights_only``) knows a short list of harmless calls and refuses
every other; nothing that such a file names is imported or run. Files are mapped into memory, and results are computed
and written some rows at a time, so that memory stays bounded whatever their size. A target appears when it is whole.

Writes JSON lines: ``{"bytes": n}`` as data is written, ``{"target": path, "sha256": hex, "total": x}`` when a file is
finished (`total` is the sum of a delta's results), ``{"error": "…"}`` when something is refused; then it ends with
exit code 1.

    stored.py       opens files: pickles and safetensors
    rows.py         a tensor that is computed row by row
    llama.py        Meta's shards → Hugging Face's tensors
    delta.py        base + delta weights
    writing.py      tensors → a safetensors file
"""
