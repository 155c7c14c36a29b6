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
    client: Endpoint = Endpoint()
    """The client that a load balancer speaks for, as its PROXY header tells."""
    server: bool = False
    """True when this process is the side that answers requests."""
    tls: bool = False
    tls_probe: str = ""
    """The library whose probe showed messages in its plaintext, for example `openssl`."""
    sni: str = ""
    host: str = ""
    """The Host, or authority, of its first request, without its port."""
    looked_up: str = ""
    """The name by which its process had looked up the remote address shortly before."""
    opened_at: int = 0
    """When the connection was established; 0 when it was open before capture began."""
    closed_at: int = 0
    protocol: str = ""
    """What its bytes are: `http1`, `http2` and so on, `other` when no HTTP was seen in it."""
    tls_version: int = 0
    """0x0304 is TLS 1.3; 0 when neither hello was seen."""
    tls_cipher: int = 0
    """The cipher suite that the server chose, by IANA's number."""
    alpn: tuple[str, ...] = ()
    """The protocols that the client offered in its hello; only the chosen one where a server named it in the clear."""
    bytes_sent: int = 0
    """Bytes that TCP moved by the time the connection closed, encrypted ones as they were; 0 while it is open."""
    bytes_received: int = 0
    sent_unseen: int = 0
    """Bytes of a plain HTTP connection, captured from its start to its end, that passed and that nobody copied."""
    received_unseen: int = 0
    seen_late: bool = False
    """It is TLS whose plaintext may have passed unseen: it was open before capture, or before its library had probes."""
    cut: bool = False
    """Capture ended while it was open: this is its last report."""
    part: int = 0
    """How many reports of it were made before this one."""

    @property
    def domain(self) -> str:
        """Name the side that answers: SNI, else Host, else the name that was looked up, else its address (spec qtap.md 7.6)."""
        if self.server:
            return self.sni or self.host or self.local.ip
        return self.sni or self.host or self.looked_up or self.remote.ip

    @property
    def hides_plaintext(self) -> bool:
        """It is TLS, and no library showed what is inside."""
        return self.tls and not self.tls_probe

    @property
    def incomplete(self) -> list[str]:
        """Say what of it was not seen, in the words of docs/output.md."""
        reasons = {
            "plaintext_not_seen": self.hides_plaintext,
            "attached_mid_connection": self.seen_late and not self.hides_plaintext,
            "capture_ended": self.cut,
        }
        return [reason for reason, holds in reasons.items() if holds]

    @property
    def direction(self) -> str:
        """`ingress`, `egress-internal` (private or loopback peer) or `egress-external`."""
        if self.server:
            return "ingress"
        return "egress-internal" if _is_internal(self.remote.ip) else "egress-external"


def without_port(authority: str) -> str:
    """Give the host of `host:port` or `[IPv6]:port` (RFC 3986 section 3.2.2)."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0] if authority.count(":") == 1 else authority


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
