"""Error messages for failures of a hub: what happened, and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from app.errors import DamagedWeights, FetchFailed
from app.system.disk import DISK_FULL

DEFAULT_ENDPOINT = "https://huggingface.co"
GOES_ON = "Run the same command to resume."
_SECRET = re.compile(r"//[^/@\s]+@")  # user and password in a URL
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")


def endpoint() -> str:
    """The hub's URL without credentials. Raises :class:`FetchFailed` for an invalid one."""
    given = os.environ.get("HF_ENDPOINT", "").strip() or DEFAULT_ENDPOINT
    shown = without_secrets(given.rstrip("/"))
    try:
        parts = urlsplit(given)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # an invalid port, unbalanced brackets
        good = False
    if not good:
        raise FetchFailed(
            f"HF_ENDPOINT is {shown!r}, which is not a valid address. Write it as https://host, or remove it to use "
            f"{DEFAULT_ENDPOINT}."
        )
    return shown


def without_secrets(text: str) -> str:
    """`text` without passwords in URLs and without hub tokens."""
    return _TOKEN.sub("hf_***", _SECRET.sub("//***@", text))


def hub_error(said: Mapping[str, object], repo: str, revision: str) -> FetchFailed | DamagedWeights:
    """The exception for an error line of :mod:`~app.weights.fetching.hub_worker`."""
    kind, file = str(said["error"]), str(said.get("file", ""))
    hub = endpoint()
    page = f"{hub}/{repo}"
    details: dict[str, object] = {"reason": kind, "repo": repo, "revision": revision, "hub": hub, "page": page}
    if "status" in said:
        details["status"] = said["status"]
    if kind == "wrong":
        return DamagedWeights(
            f"{file} of {repo} has the wrong size or checksum, so it "
            "was deleted. Try again; if this keeps happening, something between here and the server is changing files.",
            file=file,
            **details,
        )
    reason = without_secrets(str(said.get("reason") or "")).strip().rstrip(".")
    text = _TEXTS.get(kind, _TEXTS["refused"])
    if kind == "disk":
        text = _DISK_FULL if said.get("errno") in DISK_FULL else _DISK
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


_LOGIN = "log in with `hf auth login` (or set HF_TOKEN) and try again"
_DISK_FULL = f"The disk is full. Free some space, or set PARLEY_MODEL_STORE to a folder on another disk. {GOES_ON}"
_DISK = "The model store can't be written to ({reason}). Set PARLEY_MODEL_STORE to another folder."
_TEXTS = {
    "gated": "{repo} requires you to accept its licence. Accept it on {page}, then " + _LOGIN + ".",
    "login": "{hub} shows no {repo} without a login. Check the name. If it is correct, accept "
    "its licence on {page}, then " + _LOGIN + ".",
    "token": "{hub} rejected your token. Create a new one in your account settings there, then " + _LOGIN + ".",
    "repo": "{hub} has no model {repo}. Check the name on its page: {page}",
    "revision": "{repo} has no revision {revision!r}. Leave it out, or choose one from {page}/tree/main",
    "file": "{repo} has no file {file} at {revision}. See {page}/tree/main",
    "unreachable": "{hub} can't be reached ({reason}). Check the network, or set HF_ENDPOINT to a mirror. " + GOES_ON,
    "cut": "The connection to {hub} kept breaking while downloading {file} ({reason}). " + GOES_ON,
    "offline": "HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it, then try again.",
    "busy": "{hub} has received too many requests from your network (429). Wait a few minutes, or log in "
    "(`hf auth login`) for a higher limit. " + GOES_ON,
    "down": "{hub} is having problems ({status}). Wait a few minutes, or set HF_ENDPOINT to a mirror. " + GOES_ON,
    "no_hub": "{hub} does not answer like a Hugging Face server ({reason}). Check HF_ENDPOINT, and whether a login "
    "page or proxy is in the way.",
    "ended": "The download process ended unexpectedly ({reason}). Is there enough memory? " + GOES_ON,
    "refused": "{hub} refused {file} of {repo} ({status}: {reason}). See {page}",
}
