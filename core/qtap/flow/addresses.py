"""The two ends of a connection, from the bytes of a record."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from qtap.model import Endpoint

Ends = tuple[int, bytes, int, bytes, int]
"""Address family, local address and port, remote address and port, as in a record's header."""


@lru_cache(maxsize=8192)
def _endpoint(family: int, address: bytes, port: int) -> Endpoint:
    if family == 2:  # noqa: PLR2004 - AF_INET
        return Endpoint(".".join(map(str, address[:4])), port)
    ip = ipaddress.IPv6Address(address)
    return Endpoint(str(ip.ipv4_mapped or ip), port)


def endpoints(ends: Ends) -> tuple[Endpoint, Endpoint]:
    """Give the local and the remote end."""
    family, local, local_port, remote, remote_port = ends
    return _endpoint(family, local, local_port), _endpoint(family, remote, remote_port)
