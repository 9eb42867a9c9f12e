"""A reverse proxy that has signed somebody in names them in a header. Only listed addresses are believed."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from app.auth.sso.identity import Identity
from app.domain.accounts import folded_username

ISSUER = "proxy"


class ProxyHeader:
    """The header, and the addresses from which it is believed: those in the settings, and no others."""

    def __init__(self, header: str, proxies: Iterable[str]) -> None:
        self.header = header.lower().encode()
        self._networks = [ip_network(name) for name in proxies]

    def identity(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> Identity | None:
        """Whom the connection from `peer` names; ``None`` for nobody, for another peer, and for two names."""
        if not self.header or peer is None or not self._believes(peer):
            return None
        named = {value.decode("utf-8", "replace").strip() for name, value in headers if name == self.header}
        if len(named) != 1 or not (name := folded_username(named.pop())):
            return None
        return Identity(ISSUER, name, name)

    def _believes(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)
