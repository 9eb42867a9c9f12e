"""What to say when a hub refuses, breaks off, or gives what was not announced: what happened, and what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from app.errors import DamagedWeights, FetchFailed

DEFAULT_ENDPOINT = "https://huggingface.co"
GOES_ON = "The same command goes on from here."
_SECRET = re.compile(r"//[^/@\s]+@")  # user and password in an address
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")


def endpoint() -> str:
    """The address of the hub, as a person may see it. Raises :class:`FetchFailed` for one that is none."""
    given = os.environ.get("HF_ENDPOINT", "").strip() or DEFAULT_ENDPOINT
    shown = without_secrets(given.rstrip("/"))
    try:
        parts = urlsplit(given)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, brackets that do not match
        good = False
    if not good:
        raise FetchFailed(
            f"HF_ENDPOINT is {shown!r}, which is no address of a hub. Write it as https://host, or remove it to use "
            f"{DEFAULT_ENDPOINT}."
        )
    return shown


def without_secrets(text: str) -> str:
    """`text` without passwords in addresses, and without a hub's tokens."""
    return _TOKEN.sub("hf_***", _SECRET.sub("//***@", text))


def hub_error(said: Mapping[str, object], repo: str, revision: str) -> FetchFailed | DamagedWeights:
    """The error for the last line of a :mod:`~app.weights.fetching.hub_worker` that failed."""
    kind, file = str(said["error"]), str(said.get("file", ""))
    hub = endpoint()
    page = f"{hub}/{repo}"
    details: dict[str, object] = {"reason": kind, "repo": repo, "revision": revision, "hub": hub, "page": page}
    if "status" in said:
        details["status"] = said["status"]
    if kind == "wrong":
        return DamagedWeights(
            f"{file} of {repo} arrived, and is not the file that the hub announces (its size or its sum differs). It "
            "was deleted. Try again; if it stays so, something between here and the hub changes files.",
            file=file,
            **details,
        )
    reason = without_secrets(str(said.get("reason") or "")).strip().rstrip(".")
    text = _TEXTS.get(kind, _TEXTS["refused"])
    if kind == "disk":
        text = _DISK_FULL if said.get("errno") == errno.ENOSPC else _DISK
    filled = text.format(
        hub=hub,
        page=page,
        repo=repo,
        revision=revision,
        file=file or "the listing",
        reason=reason or "no reason given",
        status=said.get("status", ""),
    )
    return FetchFailed(filled, **details)


_LOGIN = "log in with `hf auth login` (or set HF_TOKEN), and run this again"
_DISK_FULL = f"The disk became full. Make room, or set PARLEY_MODEL_STORE to a folder on another disk. {GOES_ON}"
_DISK = "The model store can't be written to ({reason}). Set PARLEY_MODEL_STORE to another folder."
_TEXTS = {
    "gated": "{repo} is given only to those who accepted its licence. Accept it on {page}, then " + _LOGIN + ".",
    "login": "{hub} has no {repo} for someone who is not logged in. Check the name. If it is there, its licence may "
    "have to be accepted on {page}; then " + _LOGIN + ".",
    "token": "{hub} refused your token. Make a new one in your account's settings there, then " + _LOGIN + ".",
    "repo": "{hub} has no model {repo}. Check the name on its page: {page}",
    "revision": "{repo} has no revision {revision!r}. Leave it out, or take one of {page}/tree/main",
    "file": "{repo} has no file {file} at {revision}. See {page}/tree/main",
    "unreachable": "{hub} can't be reached ({reason}). Check the network, or name a mirror in HF_ENDPOINT. " + GOES_ON,
    "cut": "The connection to {hub} broke again and again while {file} came ({reason}). " + GOES_ON,
    "offline": "HF_HUB_OFFLINE is set, so nothing is fetched. Remove it, and run this again.",
    "busy": "{hub} has had too many requests from here (429). Wait some minutes; logged in (`hf auth login`), more are "
    "allowed. " + GOES_ON,
    "down": "{hub} fails at the moment ({status}). Wait some minutes, or name a mirror in HF_ENDPOINT. " + GOES_ON,
    "no_hub": "{hub} does not answer as a hub does ({reason}). Check HF_ENDPOINT, and any login page or proxy in "
    "between.",
    "ended": "The process that fetches ended without a word ({reason}). Is there enough memory? " + GOES_ON,
    "refused": "{hub} refused {file} of {repo} ({status}: {reason}). See {page}",
}
