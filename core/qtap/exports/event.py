"""The JSON lines of docs/output.md: `{"event": kind, "data": {…}}`, one object a line."""

from __future__ import annotations

import msgspec

from qtap.exports.encode import encode, rfc3339
from qtap.exports.http_transaction import Level, automatic_tags, describe, tag_value
from qtap.model import Connection, Endpoint, Loss, Process, Transaction, pod_of


class System(msgspec.Struct, frozen=True):
    """This host and this run of the program, or those that a capture was made by."""

    hostname: str = ""
    instance: str = ""
    """An xid."""
    tags: tuple[str, ...] = ()
    """`key:value`, beyond the automatic ones and the host's name."""

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Give `tags` with `host:<hostname>`."""
        name = tag_value(self.hostname)
        return (*self.tags, f"host:{name}") if name else self.tags


class _Line(msgspec.Struct, gc=False):
    event: str
    data: object


def line_for(transaction: Transaction, level: Level = "full", tags: tuple[str, ...] = ()) -> bytes:
    """Give the `http_transaction` line at `level`; empty at level `none`. `tags` join the automatic ones."""
    if level == "none":
        return b""
    return _line("http_transaction", describe(transaction, level, tags))


def loss_line(loss: Loss) -> bytes:
    """Give the `loss` line: how many of what went missing where, and between which times."""
    since, at = rfc3339(loss.since), rfc3339(loss.at)
    return _line("loss", {"where": loss.where, "count": loss.count, "what": loss.what, "since": since, "at": at})


def process_line(process: Process, system: System) -> bytes:
    """Give the `process` line (spec qtap.md 5.2), whose `topic` says whether it started, was replaced or stopped."""
    topic = "stopped" if process.ended_at else "replaced" if process.replaced else "started"
    data: dict[str, object] = {"topic": f"process.{topic}", "pid": process.pid}
    if not process.ended_at:
        data |= {"path": process.exe, "binary": process.binary, "hostname": system.hostname}
        data |= _owner(process)
    if process.started_at:
        data["createdAt"] = rfc3339(process.started_at)
    if process.ended_at:
        data["closedAt"] = rfc3339(process.ended_at)
    return _line("process", data)


def _owner(process: Process) -> dict[str, object]:
    """Say whose a process is: its user, its container and the pod of that."""
    found: dict[str, object] = {}
    if process.user or process.uid >= 0:
        found["user"] = {"id": process.uid, "name": process.user}
    container = process.container
    if container is not None:
        found["container"] = msgspec.structs.replace(container, pod=None)
        if pod := container.pod or pod_of(container.labels):
            found["pod"] = pod
    return found


def connection_line(connection: Connection, system: System) -> bytes:
    """Give the `connection` line (spec qtap.md 3.1): the last report once it is closed, or capture ends."""
    closed = bool(connection.closed_at)
    last = closed or connection.cut
    opened_at = rfc3339(connection.opened_at or connection.closed_at)
    data: dict[str, object] = {"meta": _meta(connection), "tags": _tag_map(connection, system), "finalized": last}
    if connection.part:
        data["part"] = connection.part
    data |= {"direction": connection.direction, "socketProtocol": "tcp"}
    data |= _content(connection)
    data["system"] = {"hostname": system.hostname, "agent": "tap", "agentInstance": system.instance}
    ends = _local_end(connection, system), {"address": _address(connection.remote)}
    data["source"], data["destination"] = ends if not connection.server else ends[::-1]
    if connection.opened_at or closed:
        data |= {"timestamp": opened_at, "createdAt": opened_at}
    if closed:
        data["closedAt"] = rfc3339(connection.closed_at)
        data |= {name: value for name, value in _counts(connection).items() if value}
    return _line("connection", data)


def _content(connection: Connection) -> dict[str, object]:
    """Say what is inside, and why nothing of it is seen."""
    found: dict[str, object] = {}
    if connection.protocol or connection.hides_plaintext or connection.closed_at or connection.cut:
        found["l7Protocol"] = connection.protocol or "other"
    if connection.tls_version:
        found["tlsVersion"] = connection.tls_version
    if connection.tls_cipher:
        found["tlsCipher"] = connection.tls_cipher
    if connection.sni:
        found["serverName"] = connection.sni
    if connection.alpn:
        found["alpn"] = connection.alpn
    if incomplete := connection.incomplete:
        found["incomplete"] = incomplete
    return found


def _counts(connection: Connection) -> dict[str, int]:
    return {
        "bytesSent": connection.bytes_sent,
        "bytesReceived": connection.bytes_received,
        "bytesSentUnseen": connection.sent_unseen,
        "bytesReceivedUnseen": connection.received_unseen,
    }


def _line(kind: str, data: object) -> bytes:
    return encode(_Line(kind, data)) + b"\n"


def _meta(connection: Connection) -> dict[str, object]:
    meta: dict[str, object] = {"connectionId": connection.id, "endpointId": connection.domain}
    if connection.tls_probe:
        meta |= {"tlsProbeTypesDetected": [connection.tls_probe], "tlsProbeIntrospected": connection.tls}
    return meta


def _tag_map(connection: Connection, system: System) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    for tag in automatic_tags(connection.process.binary, connection.local.ip, "", system.all_tags):
        key, _, value = tag.partition(":")
        tags.setdefault(key, []).append(value)
    return tags


def _local_end(connection: Connection, system: System) -> dict[str, object]:
    process = connection.process
    end: dict[str, object] = {"address": _address(connection.local), "hostname": system.hostname, "exe": process.exe}
    if process.user:
        end["user"] = process.user
    if process.uid >= 0:
        end["userId"] = process.uid
    end["pid"] = process.pid
    if process.container is not None:
        container = process.container
        end["container"] = {"id": container.id, "name": container.name, "image": container.image}
    return end


def _address(endpoint: Endpoint) -> dict[str, object]:
    if not endpoint.ip:
        return {}
    return {"family": "ipv6" if ":" in endpoint.ip else "ipv4", "ip": endpoint.ip, "port": endpoint.port}
