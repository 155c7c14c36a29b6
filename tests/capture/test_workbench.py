"""The order of work: what is new first, step by step."""

from __future__ import annotations

import os

from qtap.capture.workbench import Steps, Workbench


def test_the_first_step_of_what_is_new_waits_for_one_step_at_most() -> None:
    bench, done = Workbench(), list[str]()

    def long(name: str, steps: int) -> Steps:
        for step in range(steps):
            done.append(f"{name}{step}")
            if name == "a" and step == 1:
                bench.put(lambda: long("b", 2))
            yield

    def idle() -> Steps:
        done.append("idle")
        yield
        bench.put(bench.stop)

    bench.put(lambda: long("a", 4))
    bench.run(idle())
    assert done == ["a0", "a1", "b0", "a2", "a3", "b1", "idle"]


def test_a_job_without_steps_is_done_at_once_and_what_is_watched_is_looked_at() -> None:
    bench, done = Workbench(), list[str]()
    read, write = os.pipe()

    def look() -> None:
        done.append("look")
        if len(done) > 2:
            bench.stop()

    bench.watch(read, look)
    bench.put(lambda: done.append("job"))
    os.write(write, b"x")
    bench.run(iter(()))
    assert done[0:2] == ["look", "job"]
    for file in (read, write):
        os.close(file)
