"""By which name an address was looked up: what a process, or another of its container, was answered last.

Many names share an address, above all at CDNs, so what the process itself asked for comes first.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from qtap.model import Process
from qtap.wire import dns

_LIMIT = 16_384
_LEAST, _MOST = 60, 3600
"""Seconds that an answer is remembered, whatever its TTL says: programs use an address longer than that, but not for ever."""
_SECOND = 1_000_000_000

_Key = tuple[int | str, str]


class Names:
    """Remembers answers of name servers. Times are nanoseconds since the epoch."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, tuple[str, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def answered(self, process: Process, message: bytes, now: int) -> None:
        """Take what a name server answered a process."""
        answer = dns.parse(message)
        if answer is None:
            return
        until = now + min(max(answer.ttl, _LEAST), _MOST) * _SECOND
        for packed in answer.addresses:
            ip = str(ipaddress.ip_address(packed))
            for scope in (_container(process), process.pid):
                self._known[scope, ip] = answer.name, until
                self._known.move_to_end((scope, ip))
        while len(self._known) > _LIMIT:
            self._known.popitem(last=False)

    def of(self, process: Process, ip: str, now: int) -> str:
        """Give the name by which a process most likely knows an address; empty when there is none."""
        if not self._known:
            return ""
        for scope in (process.pid, _container(process)):
            name, until = self._known.get((scope, ip), ("", 0))
            if until > now:
                return name
        return ""


def _container(process: Process) -> str:
    return process.container.id if process.container else ""
