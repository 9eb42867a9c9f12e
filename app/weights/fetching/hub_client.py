"""Client of a Hugging Face hub, through the child process :mod:`app.weights.fetching.hub_worker`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.errors import FetchCancelled
from app.system.child_process import child_process
from app.weights.fetching.hub_errors import GOES_ON, endpoint, hub_error
from app.weights.fetching.hub_listing import MAX_FILES, Listing, RepoFile
from app.weights.progress import Cancelled

PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # before each retry of a temporary failure; starts over once bytes arrive

_MODULE = "app.weights.fetching.hub_worker"
_LICENCE = re.compile(r"[A-Za-z0-9._+ -]{1,64}")
# Environment variables: the hub's token, and network settings.
_PASSED_ON = (
    r"XDG_CACHE_HOME|HF_(ENDPOINT|TOKEN|TOKEN_PATH|HOME|HUB_OFFLINE|HUB_DISABLE_IMPLICIT_TOKEN)|HUGGING_FACE_HUB_TOKEN"
    r"|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
)


class HubClient:
    """Requests to one running worker. The methods block.

    Raises :class:`~app.errors.FetchFailed`, :class:`~app.errors.DamagedWeights`, :class:`FetchCancelled`.
    """

    def __init__(self, process: subprocess.Popen[str], cancelled: Cancelled) -> None:
        self._process, self._cancelled = process, cancelled

    def list(self, repo: str, revision: str, pauses_s: Sequence[float] | None = None) -> Listing:
        """List the repository's files at `revision`, resolved to a commit."""
        request = {"repo": repo, "revision": revision, "pauses_s": PAUSES_S if pauses_s is None else pauses_s}
        answer = next(self._answers({"list": request}, repo, revision))
        files = tuple(
            RepoFile(str(f["path"]), int(f["size_bytes"]), str(f["sha256"]).lower(), str(f["blob"]).lower())
            for f in answer["files"][: MAX_FILES + 1]
        )
        if len(files) > MAX_FILES:
            raise hub_error({"error": "no_hub", "reason": f"more than {MAX_FILES:,} files"}, repo, revision)
        licence = str(answer["licence"])
        return Listing(repo, str(answer["commit"]), files, licence if _LICENCE.fullmatch(licence) else "")

    def fetch(
        self, listing: Listing, files: Sequence[RepoFile], folder: Path, on_bytes: Callable[[int], None]
    ) -> dict[str, str]:
        """Download `files` into `folder`, resuming; returns their SHA-256. `on_bytes` receives the bytes done."""
        request = {
            "repo": listing.repo,
            "commit": listing.commit,
            "folder": str(folder),
            "pauses_s": PAUSES_S,
            "files": [asdict(file) for file in files],
        }
        for answer in self._answers({"fetch": request}, listing.repo, listing.commit):
            if "sums" in answer:
                return {str(path): str(digest) for path, digest in answer["sums"].items()}
            on_bytes(int(answer["done_bytes"]))
        raise AssertionError("unreachable: the answers end with an error")

    def _answers(self, request: Mapping[str, object], repo: str, revision: str) -> Iterator[dict[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # the worker has ended, and so has its output
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            said = json.loads(line)
            if "error" in said:
                raise hub_error(said, repo, revision)
            yield said
        if self._cancelled():
            raise FetchCancelled(f"The download was cancelled. {GOES_ON}")
        code = self._process.wait()
        raise hub_error({"error": "ended", "reason": f"exit code {code}"}, repo, revision)


@contextmanager
def hub_client(cancelled: Cancelled) -> Iterator[HubClient]:
    """A client with a running worker, which is killed at the end of the context or when `cancelled`."""
    endpoint()  # raises for an invalid address
    with child_process(_MODULE, cancelled, passed_on=_PASSED_ON) as process:
        yield HubClient(process, cancelled)
