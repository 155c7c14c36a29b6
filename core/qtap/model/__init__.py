"""What everything speaks of: Process, Connection, Message, Transaction, Loss, and the Sink and Source that pass them on.

Nothing here imports another part of the engine. All times are integers, nanoseconds since the Unix epoch; all sizes are bytes.
"""

from __future__ import annotations

from qtap.model.connection import Connection, Endpoint, without_port
from qtap.model.message import Message
from qtap.model.process import Container, Pod, Process, pod_of
from qtap.model.sink import Loss, Sink, Source
from qtap.model.transaction import Transaction
from qtap.model.websocket import WebSocket, WebSocketMessage

__all__ = [
    "Connection",
    "Container",
    "Endpoint",
    "Loss",
    "Message",
    "Pod",
    "Process",
    "Sink",
    "Source",
    "Transaction",
    "WebSocket",
    "WebSocketMessage",
    "pod_of",
    "without_port",
]
