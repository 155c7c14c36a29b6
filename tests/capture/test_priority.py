from __future__ import annotations

import os
import threading

from qtap.capture.priority import idle_seconds, yield_to_traffic


def test_every_thread_but_the_main_one_yields() -> None:
    before = os.getpriority(os.PRIO_PROCESS, os.getpid())
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield_to_traffic()
        assert thread.native_id is not None
        assert os.getpriority(os.PRIO_PROCESS, thread.native_id) == 10
        assert os.sched_getscheduler(thread.native_id) == os.SCHED_BATCH
        assert os.getpriority(os.PRIO_PROCESS, os.getpid()) == before
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
    finally:
        done.set()
        thread.join()


def test_idle_time_is_of_this_host() -> None:
    assert idle_seconds() > 0
