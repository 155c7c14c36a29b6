"""The network namespaces of real processes."""

from __future__ import annotations

import os
import subprocess

import pytest

from qtap.capture.namespaces import NetworkNamespaces

OWN = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network namespace")
def test_a_process_in_a_namespace_of_its_own_is_told_from_the_others() -> None:
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read line"], stdin=-1, stdout=-1) as process:
        assert process.stdout
        process.stdout.readline()
        namespaces = NetworkNamespaces()
        assert namespaces.of(process.pid) not in (0, OWN)
        assert namespaces.of(os.getpid()) == OWN
        process.communicate(b"\n")


def test_a_process_that_is_gone_counts_as_one_of_ours_until_its_number_is_used_again() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    namespaces = NetworkNamespaces()
    assert namespaces.of(process.pid) == OWN
    namespaces.forget(process.pid)
    namespaces.forget(process.pid)
