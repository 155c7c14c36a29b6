"""A bounded queue with a thread that writes what is in it, a batch at a time.

The producer never waits for the writer (unless it asks to): beyond the bounds an item is refused, and the producer counts it.
The thread sleeps while the queue is empty; after the first item it gathers for `interval` seconds, or until the queue is half
full, then writes everything in one call. One put costs about 0.4 us.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
_LONGEST_STOP = 10.0
"""Seconds."""


class BackgroundWriter(Generic[Item]):
    """Hands batches of items to `write` on the thread called `name`, which starts at once.

    `write` may raise OSError: the writer then closes for good, tells `on_closed` once (on its thread) and refuses every item.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[Item]], None],
        *,
        on_closed: Callable[[OSError], None] | None = None,
        interval: float = 0.05,
        max_items: int = 100_000,
        max_bytes: int = 64 << 20,
        wait: bool = False,
    ) -> None:
        self.closed = False
        """True once stopped or failed; nothing is taken any more."""
        self._write = write
        self._on_closed = on_closed
        self._interval = interval
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._wait = wait
        self._items: list[Item] = []
        self._bytes = 0
        self._nudged = False
        self._writing = 0
        self._writing_bytes = 0
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._drained = threading.Condition(self._lock)
        self._clock = time.CLOCK_MONOTONIC
        """Of the processor time of the thread, once it runs."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item, cost: int) -> bool:
        """Queue `item`, which holds `cost` bytes; False when it was refused because the queue is full or closed.

        With `wait`, a full queue makes the caller wait instead: for sources that lose nothing by being slowed down.
        """
        with self._lock:
            while self._full(cost) and not self.closed:
                if not self._wait:
                    return False
                self._filled.notify()
                self._drained.wait()
            if self.closed:
                return False
            self._items.append(item)
            self._bytes += cost
            if len(self._items) == 1 or self._crowded():
                self._filled.notify()
            return True

    def nudge(self) -> None:
        """Have `write` called again, with an empty batch if nothing is queued."""
        with self._lock:
            self._nudged = True
            self._filled.notify()

    def drain(self) -> None:
        """Wait until everything put so far is written, or the writer stops or fails; for a source that came to its end."""
        with self._lock:
            self._drained.wait_for(lambda: self.closed or not (self._items or self._writing))

    def stop(self, timeout: float = 1.0) -> int:
        """Write what is queued and end the thread; give the number of items that were not written.

        Waits `timeout` seconds, and longer while the thread is at work: on a host that gives it little time, not for a reader.
        """
        with self._lock:
            self.closed = True
            self._filled.notify()
            self._drained.notify_all()
        if threading.current_thread() is not self._thread:
            self._join(timeout)
        with self._lock:
            return len(self._items) + self._writing

    def _join(self, timeout: float) -> None:
        self._thread.join(0.8 * timeout)
        end = time.monotonic() + _LONGEST_STOP
        while self._thread.is_alive() and time.monotonic() < end:
            before = self._processor_time()
            self._thread.join(0.2 * timeout)
            if self._processor_time() <= before:
                return

    def _processor_time(self) -> float:
        """Give the seconds of processor time that the thread has used, 0 once it has ended."""
        try:
            return time.clock_gettime(self._clock)
        except OSError:
            return 0.0

    def _full(self, cost: int) -> bool:
        # One item larger than the bound still passes through an empty queue.
        held = len(self._items) + self._writing
        return held >= self._max_items or (held > 0 and self._bytes + cost > self._max_bytes)

    def _crowded(self) -> bool:
        return len(self._items) * 2 > self._max_items or self._bytes * 2 > self._max_bytes

    def _run(self) -> None:
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        while (batch := self._take()) is not None:
            try:
                self._write(batch)
            except OSError as error:
                self._fail(error)
                return
            self._release()

    def _take(self) -> list[Item] | None:
        """Give the next batch; None when the writer is closed and nothing is left."""
        with self._lock:
            self._filled.wait_for(lambda: self._items or self._nudged or self.closed)
            self._filled.wait_for(lambda: self.closed or self._crowded(), self._interval)
            if not self._items and not self._nudged:
                return None
            batch, self._items, self._nudged = self._items, [], False
            self._writing, self._writing_bytes = len(batch), self._bytes
            return batch

    def _release(self) -> None:
        with self._lock:
            self._bytes -= self._writing_bytes
            self._writing = 0
            self._drained.notify_all()

    def _fail(self, error: OSError) -> None:
        with self._lock:
            self.closed = True
            self._drained.notify_all()
        if self._on_closed is not None:
            self._on_closed(error)
