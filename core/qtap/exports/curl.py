"""A captured request as a curl command that sends it again, for bash and zsh.

What curl would add by itself is switched off where the captured request did not have it, so that the server sees the same
header lines. Whatever cannot be sent is named in a comment after the command, never left out in silence.
"""

from __future__ import annotations

import re

from qtap.exports.shell import ARGUMENT_LIMIT, printf_word, quote
from qtap.model import Transaction

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2. It keeps out `@name`, which curl would take for a file to read."""
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~-]+)(:[0-9]{1,5})?")
_PLAIN_TARGET = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
"""RFC 3986 sections 3.3, 3.4. Brackets and braces are patterns to curl, a fragment would be cut off."""
_DOT_SEGMENT = re.compile(r"/(\.|%2[Ee]){1,2}(/|$|\?)")
"""curl resolves these (RFC 3986 section 5.2.4) before it sends."""
_UNKNOWN = "‹unknown".encode()
_OWN_LENGTH = (b"content-length", b"host")
_EXPECT_FROM = 1024
"""curl adds `Expect: 100-continue` above 1 MB (everything.curl.dev/http/post/expect100); far below it is safe."""


def to_curl(transaction: Transaction) -> str:
    """Give the command; several lines, printable whatever the request holds."""
    missing: list[str] = []
    body = bytes(transaction.request.body)
    words = ["curl", *_method(transaction, missing), *_address(transaction, missing), *_version(transaction)]
    words += _headers(transaction, missing)
    if body:
        words.append("--data-binary @-" if _needs_pipe(body) else f"--data-raw {quote(body)}")
    if transaction.request.body_missing > 0:
        missing.append(f"{transaction.request.body_missing} bytes of the body were not captured")
    command = " \\\n  ".join(words)
    if _needs_pipe(body):
        command = f"printf {printf_word(body)} |\n{command}"
    return "\n".join([command, *(f"# {sentence}" for sentence in missing)])


def _needs_pipe(body: bytes) -> bool:
    return b"\0" in body or len(body) > ARGUMENT_LIMIT


def _method(transaction: Transaction, missing: list[str]) -> list[str]:
    method, has_body = transaction.method, bool(transaction.request.body)
    raw = method.encode("latin-1", "replace")
    if not _TOKEN.fullmatch(raw) or len(raw) > ARGUMENT_LIMIT:
        missing.append("the method is not one that can be sent")
        return []
    if method == "HEAD" and not has_body:
        return ["--head"]
    return [] if method == ("POST" if has_body else "GET") else [f"-X {quote(raw)}"]


def _address(transaction: Transaction, missing: list[str]) -> list[str]:
    connection = transaction.connection
    server = connection.local if connection.server else connection.remote
    authority = transaction.host if _AUTHORITY.fullmatch(transaction.host) else str(server)
    base, target = f"{transaction.scheme}://{authority}", transaction.target
    if not target:
        missing.append("the target is not known")
        return [quote(f"{base}/".encode())]
    if _PLAIN_TARGET.fullmatch(target) and not _DOT_SEGMENT.search(target):
        return [quote((base + target).encode())]
    raw = target.encode("latin-1", "replace")
    if not _sendable(raw):
        missing.append("the target holds bytes that a command line cannot carry")
        return [quote(f"{base}/".encode())]
    return [f"--request-target {quote(raw)}", quote(f"{base}/".encode())]


def _version(transaction: Transaction) -> list[str]:
    version = transaction.request.start_line.rpartition(" ")[2]
    if version == "HTTP/2":
        return ["--http2" if transaction.connection.tls else "--http2-prior-knowledge"]
    return ["--http1.0"] if version == "HTTP/1.0" else []


def _headers(transaction: Transaction, missing: list[str]) -> list[str]:
    words, seen = [], set()
    for name, value in transaction.request.fields:
        lower = name.lower()
        seen.add(b"host" if lower == b":authority" else lower)
        if lower.startswith(b":"):
            continue
        if lower.startswith(_UNKNOWN):
            missing.append("a header was not captured, because it was sent before capture began or after a loss")
            continue
        if lower in _OWN_LENGTH and not _is_foreign_host(transaction, lower, value):
            continue
        if lower == b"transfer-encoding" and value.lower() != b"chunked":
            continue
        if not _TOKEN.fullmatch(name) or not _sendable(value):
            missing.append(f"the header {_spelled(name)} cannot be sent by curl")
            continue
        words.append("-H " + quote(name + b": " + value if value else name + b";"))
    words += [f"-H {name}:" for name in _unwanted(transaction, seen)]
    if b"accept-encoding" in seen:
        words.append("--compressed")
    return words


def _is_foreign_host(transaction: Transaction, lower: bytes, value: bytes) -> bool:
    """Tell a Host line that curl would not make from the URL."""
    usable = _AUTHORITY.fullmatch(transaction.host)
    return lower == b"host" and not (usable and value.decode("latin-1") == transaction.host)


def _unwanted(transaction: Transaction, seen: set[bytes]) -> list[str]:
    """Name the headers that curl adds by itself and the captured request did not have."""
    size = len(transaction.request.body)
    added = {"Host": True, "User-Agent": True, "Accept": True, "Content-Type": size > 0, "Expect": size > _EXPECT_FROM}
    return [name for name, sent in added.items() if sent and name.lower().encode() not in seen]


def _sendable(raw: bytes) -> bool:
    return len(raw) <= ARGUMENT_LIMIT and not any(byte in raw for byte in b"\0\r\n")


def _spelled(name: bytes) -> str:
    return ascii(name[:40].decode("latin-1"))
