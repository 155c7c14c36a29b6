"""Who goes on observing a connection after HTTP/1 has switched it to another protocol.

One line a protocol: a function that takes the transaction whose response switched the connection (None when the client began
anew in the middle of a connection) and gives the maker of the observer that follows, or None when the protocol is not its own.
"""

from __future__ import annotations

from collections.abc import Callable

from qtap.model import Connection, Transaction
from qtap.wire import http1, http2, websocket
from qtap.wire.observer import Handover, Listener, Observer

Maker = Callable[[Listener, Connection, int, Handover], Observer]
"""Takes the listener, the connection, the body limit and the handover, of which it must not read `rest`: that is fed to it."""


def _http2(transaction: Transaction | None) -> Maker | None:
    """Take over at the client's preface, and at `101` with `Upgrade: h2c` (RFC 7540 section 3.2)."""
    if transaction is None or transaction.response.field("upgrade").lower() == "h2c":
        return http2.Observer.upgraded
    return None


def _tunnel(transaction: Transaction | None) -> Maker | None:
    """Take over behind 2xx to CONNECT (RFC 9110 section 9.3.6)."""
    return _begin_anew if transaction is not None and transaction.method == "CONNECT" else None


def _begin_anew(listener: Listener, connection: Connection, body_limit: int, handover: Handover) -> Observer:
    """Finish the CONNECT, and look for plain HTTP in the tunnel: anything else turns the connection opaque."""
    transaction = handover.transaction
    assert transaction is not None
    transaction.opaque = transaction.finished = True
    listener.finished(transaction)
    return http1.Observer(listener, connection, body_limit, from_start=True, takes_over=takes_over)


_PROTOCOLS: tuple[Callable[[Transaction | None], Maker | None], ...] = (_http2, websocket.maker, _tunnel)


def successor(transaction: Transaction | None) -> Maker | None:
    """Find who observes what follows."""
    for protocol in _PROTOCOLS:
        maker = protocol(transaction)
        if maker is not None:
            return maker
    return None


def takes_over(transaction: Transaction) -> bool:
    """Tell whether someone goes on with `transaction`, so that it must not be finished."""
    return successor(transaction) is not None
