"""Which response answers which request: first in, first out (RFC 9112 section 9.3.2), and never a guess.

Two kinds of loss could pair a response with the wrong request:

- Response heads may have passed unseen. The next response then belongs to any waiting request, or to one that was lost: so
  every waiting request is given up, and pairing goes on with requests that come later. That rests on clients waiting for a
  response before they send the next request. Where a connection was seen to pipeline, its messages are paired no more.
- Request heads may have passed unseen. A hole then takes their place in the queue. The next request closes it, since a client
  that waits had its lost requests answered by then; where it pipelines, a response that meets the hole ends all pairing.

Where one thread writes requests and another reads responses, a response can be captured before its request. It is shown alone,
and so is the request once the client goes on without another response.

A reader is told of a loss late, at the next captured bytes of the same direction. So two waiting requests are no proof of
pipelining as long as a loss of responses can still come to light: only a response without such a loss before it is.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from qtap.model import Transaction
from qtap.wire.observer import Listener

_MOST_WAITING: Final = 1000
"""Requests that wait for their responses; with more, the responses are evidently not seen."""
_MOST_INFORMATIONAL: Final = 64
"""1xx heads kept of one transaction."""


class Pairing:
    """The transactions of one connection that are not finished."""

    __slots__ = (
        "_doubtful",
        "_early",
        "_from_start",
        "_given_up",
        "_listener",
        "_requests_known",
        "_unpairable",
        "pipelined",
        "receiving",
        "sending",
        "unbroken",
        "waiting",
    )

    def __init__(self, listener: Listener, *, from_start: bool) -> None:
        self._listener = listener
        self._from_start = from_start
        self.waiting: deque[Transaction | None] = deque()
        """Requests without a final response, oldest first; None stands for requests that may have been lost."""
        self.sending: Transaction | None = None
        """The one whose request is arriving."""
        self.receiving: Transaction | None = None
        """The one whose response is arriving."""
        self._given_up: Transaction | None = None
        """`sending`, when its response will not be known."""
        self._requests_known = False
        """A request was seen or is known to be lost."""
        self.pipelined = False
        """A request was seen to be sent before the response to an earlier one."""
        self.unbroken = from_start
        """Every head since the first byte was seen: a response without a waiting request answers none that came before."""
        self._unpairable = False
        self._doubtful = False
        """Bytes that could not be told apart came from the server while requests waited."""
        self._early = False
        """A response came that nobody asked for, and nothing was lost: its request may be captured behind it."""

    def request_began(self, transaction: Transaction, *, alone: bool) -> None:
        """Open a transaction by its request; `alone`: no other message stood before it in its call."""
        waiting = self.waiting
        if waiting:
            self._admit_another(alone=alone)
        self._requests_known = True
        self.sending = transaction
        waiting.append(transaction)
        self._listener.opened(transaction)
        if self._unpairable:
            self.responses_lost()

    def request_ended(self, transaction: Transaction) -> None:
        """The request is over; so is the transaction, if its response is or will not be known."""
        self.sending = None
        if transaction.response.head:
            if self.receiving is not transaction:
                self._finish(transaction)
        elif self._given_up is transaction:
            self._given_up = None
            self._finish(transaction)

    def informational(self, head: bytes) -> None:
        """Add a 1xx head to the transaction that waits longest (RFC 9110 section 15.2); drop it when there is none."""
        if self.waiting:
            transaction = self.waiting[0]
            if transaction is not None and len(transaction.informational) < _MOST_INFORMATIONAL:
                transaction.informational = (*transaction.informational, head)

    def response_began(self) -> Transaction | None:
        """Give the transaction that a final response belongs to, or None when that is unknown."""
        waiting = self.waiting
        if not waiting:
            return None
        transaction = waiting[0]
        if transaction is None:
            if len(waiting) > 1:
                self.responses_lost()
            return None
        waiting.popleft()
        self._doubtful = self._early = False
        if waiting and waiting[-1] is not None:
            self.pipelined = True
        self.receiving = transaction
        return transaction

    def orphan_began(self, transaction: Transaction, *, early: bool) -> None:
        """Open a transaction by its response; `early`: it did not wait for the rest of a request, else that is unknown."""
        self._early = early or self._from_start or self._requests_known
        lost = "request_lost" if self._early else "attached_mid_connection"
        transaction.mark("request_head_unfinished" if early else lost)
        self.receiving = transaction
        self._listener.opened(transaction)

    def response_ended(self, transaction: Transaction) -> None:
        """The response is over; so is the transaction, if its request is."""
        self.receiving = None
        if self.sending is not transaction:
            self._finish(transaction)

    def requests_lost(self) -> None:
        """Request heads may have passed unseen."""
        self._requests_known = True
        self._early = self.unbroken = False
        if not self.waiting or self.waiting[-1] is not None:
            self.waiting.append(None)

    def handed_over(self) -> None:
        """The transaction whose response has begun is no longer this queue's."""
        self.receiving = None

    def responses_lost(self) -> None:
        """Response heads may have passed unseen: give up every waiting request."""
        self.unbroken = False
        if self.pipelined and self.waiting:
            self._unpairable = True
        self.give_up("response_lost")

    def responses_blurred(self) -> None:
        """Bytes came from the server that might be a response in disguise."""
        self._doubtful = bool(self.waiting)
        self.unbroken = False

    def give_up(self, *reasons: str) -> None:
        """End the waiting of every request, marked with the reasons that are not empty."""
        self._doubtful = self._early = False
        while self.waiting:
            transaction = self.waiting.popleft()
            if transaction is None:
                continue
            for reason in reasons:
                if reason:
                    transaction.mark(reason)
            if self.sending is transaction:
                self._given_up = transaction
            else:
                self._finish(transaction)

    def _admit_another(self, *, alone: bool) -> None:
        """Draw what follows from a request coming while the queue is not empty."""
        waiting = self.waiting
        if not alone and waiting[-1] is not None:
            self.pipelined = True
        if waiting[0] is None and len(waiting) == 1 and not self.pipelined:
            waiting.clear()
        elif self._doubtful or (self._early and not self.pipelined) or len(waiting) >= _MOST_WAITING:
            self.responses_lost()

    def _finish(self, transaction: Transaction) -> None:
        transaction.finished = True
        self._listener.finished(transaction)
