"""Child process that accesses a Hugging Face hub, so that a download is cancelled at once by killing it.

    python -m app.weights.fetching.hub_worker
        {"list": {"repo": "owner/name", "revision": "main", "pauses_s": […]}}
            → {"commit": "…", "licence": "…", "files": [{"path", "size_bytes", "sha256", "blob"}, …]}
        {"fetch": {"repo", "commit", "folder", "pauses_s", "files": [as above]}}
            → {"done_bytes": n} as they arrive, and at the end {"sums": {path: SHA-256}}

reads and writes JSON lines; it ends when its input does. After a failure the last line is ``{"error": kind, …}``; the
kinds and their messages are in :mod:`app.weights.fetching.hub_errors`.

``huggingface_hub`` handles names, tokens, proxies and URLs. The files are downloaded here, because that library (from
version 2 on) uses a new temporary file for each download and restarts after an interruption. Here a file is written in
place and resumed with ``Range``; a resumed file with a wrong checksum is downloaded once more from the beginning.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["HF_HUB_DISABLE_XET"] = "1"  # Xet downloads can't be resumed, and its hashes are not SHA-256 of the file
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

try:  # huggingface_hub's own HTTP client, from its version 2 on …
    from httpx2 import RequestError
except ImportError:  # … and httpx before
    from httpx import RequestError  # type: ignore[assignment]

from app.system.disk import read_chunks, sync_file

_TIMEOUT_S = 30  # without data
_REPORT_S = 0.1
_MAX_WAIT_S = 20.0  # limit of Retry-After
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Failed(Exception):
    """A failed request. ``message`` is the line for the parent; ``temporary``: whether a retry may help."""

    def __init__(self, kind: str, *, temporary: bool = False, wait_s: float = 0, **more: object) -> None:
        super().__init__(kind)
        self.message: dict[str, object] = {"error": kind, **more}
        self.temporary, self.wait_s = temporary, wait_s


class _Download:
    """Downloads one file into a folder."""

    def __init__(self, url: str, wanted: Mapping[str, Any], folder: Path, on_done: Callable[[int], None]) -> None:
        self._url, self._path, self._on_done = url, str(wanted["path"]), on_done
        self._size, self._sha256, self._blob = int(wanted["size_bytes"]), wanted["sha256"], wanted["blob"]
        self._target = folder / self._path
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._begin()

    def run(self, pauses_s: Sequence[float]) -> str:
        """Download the rest of the file; returns its SHA-256. Raises :class:`Failed`, ``OSError``."""
        kept = self._resume()
        while True:
            self._complete(pauses_s)
            if self._is_verified():
                return self._sha.hexdigest()
            self._target.unlink()
            if not kept:
                raise Failed("wrong", file=self._path)
            kept = False
            self._begin()

    def _begin(self) -> None:
        self._done = 0
        self._sha = hashlib.sha256()
        self._git = hashlib.sha1(b"blob %d\0" % self._size, usedforsecurity=False)

    def _add(self, data: bytes) -> None:
        self._sha.update(data)
        self._git.update(data)
        self._done += len(data)
        self._on_done(self._done)

    def _resume(self) -> bool:
        if not self._target.is_file() or self._target.stat().st_size > self._size:
            self._target.unlink(missing_ok=True)
            return False
        for data in read_chunks(self._target):
            self._add(data)
        return self._done > 0

    def _is_verified(self) -> bool:
        if self._sha256:
            return bool(self._sha.hexdigest() == self._sha256)
        return not self._blob or self._git.hexdigest() == self._blob

    def _complete(self, pauses_s: Sequence[float]) -> None:
        if self._size == 0:
            self._target.touch()
        failures = 0
        while self._done < self._size:
            before = self._done
            failed = self._attempt()
            failures = 0 if self._done > before else failures + 1
            if failed is not None and (not failed.temporary or failures > len(pauses_s)):
                raise failed
            if failed is not None and pauses_s:
                time.sleep(max(pauses_s[max(failures - 1, 0)], min(failed.wait_s, _MAX_WAIT_S)))

    def _attempt(self) -> Failed | None:
        """Download until the connection ends; returns the failure if it ended early."""
        try:
            self._stream()
        except RequestError as err:
            return Failed("cut", temporary=True, file=self._path, reason=_reason(err))
        except Failed as failed:
            return failed
        return (
            Failed("cut", temporary=True, file=self._path, reason="it ended early") if self._done < self._size else None
        )

    def _stream(self) -> None:
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if self._done:
            headers["Range"] = f"bytes={self._done}-"
        with get_session().stream(
            "GET", self._url, headers=headers, timeout=_TIMEOUT_S, follow_redirects=True
        ) as response:
            if response.status_code == 416:  # range not satisfiable: the partial file is of another version
                self._target.unlink()
                self._begin()
                raise Failed("cut", temporary=True, file=self._path, reason="nothing more to read")
            if response.status_code >= 400:
                raise _refused(response.status_code, response.headers, "file", self._path)
            if response.status_code != 206 and self._done:  # the whole file is sent
                self._target.unlink()
                self._begin()
            with self._target.open("ab") as out:
                for data in response.iter_bytes():
                    if self._done + len(data) > self._size:
                        self._target.unlink()
                        raise Failed("wrong", file=self._path)
                    out.write(data)
                    self._add(data)
                sync_file(out)


def listing(request: Mapping[str, Any]) -> dict[str, object]:
    """The repository's commit, licence and files. Raises :class:`Failed`."""
    failed: Failed | None = None
    for pause_s in (*request["pauses_s"], 0):
        failed = None
        try:
            return _listing(request["repo"], request["revision"])
        except OfflineModeIsEnabled as err:
            raise Failed("offline") from err
        except HfHubHTTPError as err:
            failed = _refused(err.response.status_code, err.response.headers, "repo")
        except RequestError as err:
            failed = Failed("unreachable", temporary=True, reason=_reason(err))
        except (ValueError, TypeError, KeyError, AttributeError) as err:  # HTML, or unexpected JSON
            failed = Failed("no_hub", reason=_reason(err))
        if not failed.temporary:
            break
        time.sleep(max(pause_s, min(failed.wait_s, _MAX_WAIT_S) if pause_s else 0))
    assert failed is not None
    raise failed


def _listing(repo: str, revision: str) -> dict[str, object]:
    info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT_S)
    if not info.sha or not _COMMIT.fullmatch(info.sha):
        raise Failed("no_hub", reason="it gives no commit")
    licences = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    files = []
    for file in info.siblings or ():
        size = file.lfs.size if file.lfs else file.size
        if size is None:
            raise Failed("no_hub", reason="it gives no sizes")
        sha256 = file.lfs.sha256 if file.lfs else ""
        blob = "" if file.lfs else file.blob_id or ""
        files.append({"path": file.rfilename, "size_bytes": size, "sha256": sha256, "blob": blob})
    return {"commit": info.sha, "licence": licences[0] if licences else "", "files": files}


def fetch(request: Mapping[str, Any]) -> dict[str, object]:
    """Download the files into the folder; returns their checksums. Raises :class:`Failed`, ``OSError``."""
    folder = Path(request["folder"])
    before, reported_at = 0, 0.0  # bytes of complete files

    def on_done(count: int) -> None:
        nonlocal reported_at
        if (now := time.monotonic()) - reported_at >= _REPORT_S:
            reported_at = now
            _send({"done_bytes": before + count})

    checksums = {}
    for wanted in request["files"]:
        path = wanted["path"]
        url = hf_hub_url(request["repo"], path, revision=request["commit"])
        checksums[path] = _Download(url, wanted, folder, on_done).run(request["pauses_s"])
        before += wanted["size_bytes"]
    _send({"done_bytes": before})
    return {"sums": checksums}


def _refused(status: int, headers: Mapping[str, str], what: str, file: str = "") -> Failed:
    """The failure for a status of 400 or more; `what` was requested: the "repo", or a "file" in it."""
    code, text = headers.get("X-Error-Code", ""), headers.get("X-Error-Message", "")
    kind, temporary, wait = "refused", False, ""
    if status == 401:
        kind = "token" if "credentials" in text.lower() else "login"
    elif status == 403 or code == "GatedRepo":
        kind = "gated"
    elif status == 404:
        kind = {"RevisionNotFound": "revision", "EntryNotFound": "file", "RepoNotFound": "repo"}.get(code, what)
    elif status == 429:
        kind, temporary, wait = "busy", True, headers.get("Retry-After", "")
    elif status >= 500:
        kind, temporary = "down", True
    wait_s = float(wait) if wait.isdigit() else 0.0
    return Failed(kind, temporary=temporary, wait_s=wait_s, status=status, file=file, reason=text[:200])


def _reason(err: Exception) -> str:
    return (str(err).strip().partition("\n")[0] or type(err).__name__)[:200]


def _requests() -> Iterator[Mapping[str, Any]]:
    """Requests from the parent; the process exits when the parent closes the input."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(lines.get())


def main() -> int:
    """Answer requests; returns the exit code after a failure."""
    for request in _requests():
        try:
            _send(listing(request["list"]) if "list" in request else fetch(request["fetch"]))
        except Failed as failed:
            _send(failed.message)
            return 1
        except OSError as err:
            _send({"error": "disk", "errno": err.errno, "reason": err.strerror})
            return 1
    return 0


def _send(what: Mapping[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main())
