"""Entry point: runs the conversions requested on standard input; see the package for the protocol."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from app.weights.importing.safetensors_worker.delta import Total, recovered
from app.weights.importing.safetensors_worker.llama import Params, from_shards
from app.weights.importing.safetensors_worker.rows import Refused, Rows
from app.weights.importing.safetensors_worker.stored import open_weights
from app.weights.importing.safetensors_worker.writing import split, write


class _Files:
    """The opened input files, each opened once."""

    def __init__(self) -> None:
        self._open: dict[Path, dict[str, Rows]] = {}
        self.last = Path()  # the file that a refusal is about

    def weights(self, wanted: Mapping[str, Any], total: Total) -> dict[str, Rows]:
        """The tensors of a job's ``weights``. Raises :class:`Refused`, ``OSError``."""
        if wanted["kind"] == "base_plus_delta":
            base = self.weights(wanted["base"], total)
            delta = self.weights(wanted["delta"], total)
            return recovered(base, delta, wanted["fill"], total)
        opened = [self._file(Path(path)) for path in wanted["files"]]
        if wanted["kind"] == "llama":
            return from_shards(opened, Params(**wanted["params"]))
        found: dict[str, Rows] = {}
        for path, table in zip(wanted["files"], opened, strict=True):
            twice = found.keys() & table.keys()
            if twice:
                self.last = Path(path)
                raise Refused(f"holds {min(twice)[:80]}, which is also in another file")
            found |= table
        return found

    def _file(self, path: Path) -> dict[str, Rows]:
        self.last = path
        if path not in self._open:
            self._open[path] = open_weights(path)
        return self._open[path]


def main() -> int:
    """Run all jobs; returns the exit code."""
    torch.set_num_threads(1)
    files = _Files()
    total = Total()
    for job in json.loads(sys.stdin.readline())["jobs"]:
        target = Path(job["target"])
        try:
            weights = split(files.weights(job["weights"], total), job["part"], job["parts"])
            digest = write(weights, target, lambda n: _say({"bytes": n}))
        except Refused as refused:
            _say({"error": f"{files.last.name} {refused}."})
            return 1
        except OSError as err:
            _say({"error": f"{files.last.name} can't be converted: {err.strerror}.", "errno": err.errno})
            return 1
        _say({"target": str(target), "sha256": digest, "total": total.value})
    return 0


def _say(what: Mapping[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main())
