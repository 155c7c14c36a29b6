"""One TCP connection as one process of this host sees it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import msgspec

from qtap.model.process import Process


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One end of a connection."""

    ip: str = ""
    """Textual address without brackets; empty when the socket could not be found."""
    port: int = 0

    def __str__(self) -> str:
        """Give `ip:port`, IPv6 in brackets (RFC 3986 section 3.2.2), or `unknown`."""
        if not self.ip:
            return "unknown"
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Connection(msgspec.Struct, omit_defaults=True):
    """One TCP connection of one process; both ends on this host are two Connections."""

    id: str
    """An xid: 20 characters of base32hex."""
    process: Process
    local: Endpoint = Endpoint()
    remote: Endpoint = Endpoint()
    server: bool = False
    """True when this process is the side that answers requests."""
    tls: bool = False
    tls_probe: str = ""
    """The library whose probe showed the plaintext, for example `openssl`."""
    sni: str = ""
    opened_at: int = 0
    """When the connection was established; 0 when it was open before capture began."""
    closed_at: int = 0

    @property
    def direction(self) -> str:
        """`ingress`, `egress-internal` (private or loopback peer) or `egress-external`."""
        if self.server:
            return "ingress"
        return "egress-internal" if _is_internal(self.remote.ip) else "egress-external"


@lru_cache(maxsize=4096)
def _is_internal(ip: str) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or any(address in net for net in _INTERNAL if net.version == address.version)


# Spec qtap.md 7.6: what counts as private; loopback is internal by decisions.md.
_INTERNAL = [
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
]
