"""Everything attributed to one transaction: who, from where to where, when, how much, what is missing and why."""

from __future__ import annotations

from qtap.model import Connection, Message, Transaction
from qtap.wire.grpc import call_of
from qtap_tui import formats
from qtap_tui.columns import PEER, status_role
from qtap_tui.document import Line, Span, SpanDocument
from qtap_tui.text import from_latin, shorten

_LABEL = 12
_BAR = 40
_LONGEST = 400
"""Characters shown of one value, so that a hostile one does not push the others off the screen."""
_VERSIONS = {0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_DIRECTIONS = {
    "ingress": "incoming (ingress)",
    "egress-internal": "outgoing, within private networks (egress-internal)",
    "egress-external": "outgoing, to the internet (egress-external)",
}


def overview(transaction: Transaction, peer: Transaction | None) -> SpanDocument:
    """Give the lines; `peer` is the other end's transaction, if it is still held."""
    lines = [
        *_summary(transaction),
        *_missing(transaction),
        *_grpc(transaction),
        (),
        *_who(transaction),
        (),
        *_where(transaction, peer),
        (),
        *_when(transaction),
        (),
        *_how_much(transaction),
    ]
    return SpanDocument(lines, hang=_LABEL)


def _field(label: str, value: str, role: str = "text") -> list[Line]:
    return [(("label", label.ljust(_LABEL)), (role, shorten(value, _LONGEST, "the capture")))] if value else []


def _summary(transaction: Transaction) -> list[Line]:
    url = from_latin(transaction.url if transaction.target.startswith("/") else transaction.target or transaction.host)
    status = transaction.response.start_line.partition(" ")[2] if transaction.status else ""
    first: list[Span] = [
        ("title", from_latin(transaction.method[:_LABEL]) or _no_method(transaction)),
        ("text", " " + shorten(url, _LONGEST, "Headers")),
    ]
    if status:
        second: list[Span] = [
            (status_role(transaction), from_latin(status[:_LONGEST])),
            ("dim", f"  {formats.duration(transaction.duration)}"),
        ]
    else:
        second = [("dim", "no response") if transaction.finished else ("live", "● waiting for the response")]
    if transaction.status and not transaction.finished:
        second.append(("live", "  ● still arriving"))
    return [first, second]


def _no_method(transaction: Transaction) -> str:
    return "(method not known)" if transaction.request.head else "(request not seen)"


def _grpc(transaction: Transaction) -> list[Line]:
    call = call_of(transaction)
    if call is None:
        return []
    status = f"{call.status} {call.status_name}".strip() or "no status seen"
    role = "ok" if call.status == "0" else "server-error" if call.status else "dim"
    return [
        *_field("Service", call.service),
        *_field("Method", call.method),
        *_field("Status", f"{status}: {call.message}" if call.message else status, role),
    ]


def _missing(transaction: Transaction) -> list[Line]:
    lines: list[Line] = [(("warning", f"! {formats.reason(word)[:_LONGEST]}"),) for word in transaction.incomplete]
    if transaction.opaque:
        lines.append((("dim", "the connection goes on in another protocol after this response"),))
    return lines


def _who(transaction: Transaction) -> list[Line]:
    process = transaction.connection.process
    container = process.container
    user = f"{process.user} ({process.uid})" if process.user else str(process.uid) if process.uid >= 0 else ""
    lines = [
        *_field(
            "Process", f"{process.binary or '?'}  pid {process.pid}" + (f", parent {process.ppid}" if process.ppid else "")
        ),
        *_field("Executable", process.exe),
        *_field("Arguments", " ".join(process.args)),
        *_field("User", user),
        *_field("Started", formats.moment(process.started_at) if process.started_at else ""),
    ]
    if container:
        lines += _field("Container", "  ".join(filter(None, (container.name, container.image, container.id))))
        for key, value in container.labels.items():
            lines += _field("Label", f"{key}={value}", "dim")
    return lines


def _where(transaction: Transaction, peer: Transaction | None) -> list[Line]:
    connection = transaction.connection
    lines = [
        *_field("Direction", _DIRECTIONS[connection.direction], connection.direction),
        *_field("Local", str(connection.local)),
        *_field("Remote", str(connection.remote)),
        *_field("Client", f"{connection.client}, by a PROXY header" if connection.client.ip else ""),
        *_field("TLS", _tls(connection)),
        *_field("Protocol", transaction.protocol + (f", stream {transaction.stream}" if transaction.stream else "")),
        *_field("Connection", f"{connection.id}" + ("" if connection.opened_at else ", open before capture began"), "dim"),
    ]
    if connection.bytes_sent or connection.bytes_received:
        lines += _field("Bytes", _moved(connection))
    if transaction.peer:
        lines += _field("Other end", f"{PEER} {_peer(transaction, peer)}", "accent")
    return lines


def _tls(connection: Connection) -> str:
    if not connection.tls:
        return "none, plain HTTP"
    seen = f"plaintext seen in {connection.tls_probe or 'a TLS library'}"
    version = (
        f"{_VERSIONS.get(connection.tls_version, f'version {connection.tls_version:#06x}')}, " if connection.tls_version else ""
    )
    return version + seen + (f", server name {connection.sni}" if connection.sni else "")


def _moved(connection: Connection) -> str:
    moved = f"{formats.count(connection.bytes_sent)} sent, {formats.count(connection.bytes_received)} received in all by TCP"
    unseen = connection.sent_unseen + connection.received_unseen
    return moved + (f"; {formats.count(unseen)} of them not captured" if unseen else "")


def _peer(transaction: Transaction, peer: Transaction | None) -> str:
    if peer is None:
        return f"also seen from the other process on this host ({transaction.peer})"
    process = peer.connection.process
    role = "server" if peer.connection.server else "client"
    return f"{role} {process.binary or '?'}  pid {process.pid}, took {formats.duration(peer.duration)} there ({peer.id})"


def _when(transaction: Transaction) -> list[Line]:
    request, response = transaction.request, transaction.response
    lines = _field("Time", formats.moment(transaction.started_at))
    total = transaction.duration
    spans = (
        ("Request", request.first_at, request.last_at),
        ("Waiting", request.last_at, response.first_at),
        ("Response", response.first_at, response.last_at),
    )
    for label, start, end in spans:
        if start and end >= start:
            lines.append(_bar(label, start - transaction.started_at, end - start, total))
    return lines


def _bar(label: str, start: int, length: int, total: int) -> Line:
    at = min(round(start * _BAR / total), _BAR - 1) if total else 0
    cells = max(min(round(length * _BAR / total), _BAR - at), 1) if total else 1
    bar = " " * at + "█" * cells + " " * (_BAR - at - cells)
    return (("label", label.ljust(_LABEL)), ("accent", bar), ("text", f" {formats.duration(length)}"))


def _how_much(transaction: Transaction) -> list[Line]:
    return [
        *_sizes(transaction, "request", transaction.request),
        *_sizes(transaction, "response", transaction.response),
        *_field("Id", transaction.id, "dim"),
    ]


def _sizes(transaction: Transaction, side: str, message: Message) -> list[Line]:
    label = "Sent" if (side == "response") == transaction.connection.server else "Received"
    if not message.wire_size:
        return _field(label, "nothing seen", "dim")
    text = formats.count(len(message.head))
    head = f"head {text}" if transaction.protocol == "http1" else f"head compressed ({text} as text)"
    size = formats.count(message.body_size)
    if f"{side}_body_size_unknown" in transaction.incomplete:
        size += " counted, its size is not known"
    if message.body_missing > 0:
        size += f", {formats.count(message.body_missing)} of them not kept"
    return _field(label, f"{formats.count(message.wire_size)} bytes on the wire: {head}, body {size}")
