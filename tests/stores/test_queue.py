from __future__ import annotations

import threading
import time

import pytest

from qtap.stores.queue import BackgroundWriter


class Gate:
    """A `write` that waits until it is let through, and keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, batch: list[int]) -> None:
        self.entered.set()
        assert self.open.wait(20)
        self.batches.append(batch)


def test_everything_put_is_written_in_order_and_stop_waits_for_it() -> None:
    written: list[int] = []
    writer: BackgroundWriter[int] = BackgroundWriter("t", written.extend)
    assert [writer.put(number, 1) for number in range(10_007)] == [True] * 10_007
    assert writer.stop() == 0
    assert written == list(range(10_007))


def test_many_producers_lose_nothing() -> None:
    written: list[int] = []
    writer: BackgroundWriter[int] = BackgroundWriter("t", written.extend, max_items=50, wait=True)
    producers = [threading.Thread(target=lambda: [writer.put(1, 1) for _ in range(2003)]) for _ in range(4)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    writer.stop()
    assert sum(written) == 4 * 2003


def test_a_queue_full_by_number_refuses_and_takes_again_once_written() -> None:
    gate = Gate()
    writer = BackgroundWriter("t", gate, max_items=3, interval=0)
    assert writer.put(0, 1)
    assert gate.entered.wait(20)
    assert [writer.put(number, 1) for number in (1, 2, 3, 4)] == [True, True, False, False]
    gate.open.set()
    assert writer.stop() == 0
    assert gate.batches == [[0], [1, 2]]


def test_a_queue_full_by_bytes_refuses_what_is_being_written_included() -> None:
    gate = Gate()
    writer = BackgroundWriter("t", gate, max_bytes=100, interval=0)
    assert writer.put(0, 60)
    assert gate.entered.wait(20)
    assert [writer.put(1, 30), writer.put(2, 30), writer.put(3, 10)] == [True, False, True]
    gate.open.set()
    writer.stop()


def test_an_item_larger_than_the_bound_passes_through_an_empty_queue() -> None:
    written: list[int] = []
    writer: BackgroundWriter[int] = BackgroundWriter("t", written.extend, max_bytes=100)
    assert writer.put(1, 1000)
    assert writer.stop() == 0
    assert written == [1]


def test_a_producer_that_waits_goes_on_when_there_is_room_again() -> None:
    gate = Gate()
    writer = BackgroundWriter("t", gate, max_items=1, wait=True, interval=0)
    assert writer.put(1, 1)
    assert gate.entered.wait(20)
    done: list[bool] = []
    producer = threading.Thread(target=lambda: done.append(writer.put(2, 1)))
    producer.start()
    assert not done
    gate.open.set()
    producer.join(20)
    writer.stop()
    assert done == [True]
    assert gate.batches == [[1], [2]]


def test_stop_counts_what_a_stuck_writer_did_not_write_and_lets_producers_go() -> None:
    gate = Gate()
    writer = BackgroundWriter("t", gate, max_items=2, wait=True, interval=0)
    writer.put(1, 1)
    assert gate.entered.wait(20)
    writer.put(2, 1)
    done: list[bool] = []
    producer = threading.Thread(target=lambda: done.append(writer.put(3, 1)))
    producer.start()
    assert writer.stop(timeout=0.05) == 2
    producer.join(20)
    assert done == [False]
    gate.open.set()


@pytest.mark.parametrize("wait", [False, True])
def test_draining_waits_for_a_slow_writer_and_ends_when_the_writer_is_stopped(wait: bool) -> None:
    gate = Gate()
    writer = BackgroundWriter("t", gate, wait=wait, interval=0)
    writer.put(1, 1)
    drainer = threading.Thread(target=writer.drain)
    drainer.start()
    assert gate.entered.wait(20)
    assert drainer.is_alive()
    gate.open.set()
    drainer.join(20)
    assert gate.batches == [[1]]

    gate.open.clear()
    writer.put(2, 1)
    drainer = threading.Thread(target=writer.drain)
    drainer.start()
    assert writer.stop(timeout=0.05) == 1
    drainer.join(20)
    assert not drainer.is_alive()
    gate.open.set()


@pytest.mark.parametrize("wait", [False, True])
def test_an_error_closes_the_writer_once_and_for_all(wait: bool) -> None:
    told: list[OSError] = []
    closed = threading.Event()

    def fail(batch: list[int]) -> None:
        raise BrokenPipeError(len(batch), "broken")

    def on_closed(error: OSError) -> None:
        told.append(error)
        assert writer.stop() == 1
        closed.set()

    writer = BackgroundWriter("t", fail, on_closed=on_closed, wait=wait)
    assert writer.put(1, 1)
    assert closed.wait(20)
    assert writer.closed
    assert not writer.put(2, 1)
    assert writer.stop() == 1
    assert len(told) == 1


def test_the_thread_has_the_name_it_was_given_and_ends() -> None:
    writer: BackgroundWriter[int] = BackgroundWriter("qtap-store-test", lambda _: None)
    assert "qtap-store-test" in {thread.name for thread in threading.enumerate()}
    writer.stop()
    assert "qtap-store-test" not in {thread.name for thread in threading.enumerate()}


def test_a_nudge_has_the_writer_called_though_nothing_is_queued() -> None:
    gate = Gate()
    gate.open.set()
    writer = BackgroundWriter("t", gate)
    writer.nudge()
    assert gate.entered.wait(20)
    writer.stop()
    assert gate.batches == [[]]


def test_stop_waits_longer_for_a_thread_that_is_at_work() -> None:
    written: list[int] = []

    def work(batch: list[int]) -> None:
        end = time.thread_time() + 0.5
        while time.thread_time() < end:
            pass
        written.extend(batch)

    writer: BackgroundWriter[int] = BackgroundWriter("t", work)
    assert writer.put(1, 1)
    assert writer.stop(timeout=0.1) == 0
    assert written == [1]
