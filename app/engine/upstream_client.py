"""The HTTP client for an upstream server, with the proxies of the environment where they apply."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from app.errors import UpstreamFailed

_CONNECT_TIMEOUT_S = 10.0


def upstream_client(
    base_url: str, headers: Mapping[str, str], quiet_s: float, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client that gives up after `quiet_s` without data.

    Proxies from the environment (``http_proxy``, ``all_proxy`` …) are used, but never for this machine's own servers.
    Raises :class:`UpstreamFailed` for a proxy that can't be used.
    """
    try:
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(quiet_s, connect=min(_CONNECT_TIMEOUT_S, quiet_s)),
            limits=httpx.Limits(max_connections=None),  # the admission queue is the limit
            transport=transport,
            follow_redirects=False,  # the key is sent only to the manifest's address
            trust_env=not is_loopback(urlsplit(base_url).hostname or ""),
        )
    except ImportError as missing:
        raise UpstreamFailed(
            "The environment names a SOCKS proxy, for which a package is missing. Install it with "
            "`pip install socksio`, or unset the variable (all_proxy, http_proxy or https_proxy)."
        ) from missing
    except (ValueError, httpx.InvalidURL) as wrong:
        raise UpstreamFailed(
            f"A proxy in the environment can't be used ({wrong}). Correct or unset http_proxy, https_proxy, all_proxy "
            "or no_proxy."
        ) from wrong


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
