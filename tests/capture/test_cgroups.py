"""Containers found in control group paths as engines write them, and by the monitors that engines keep above them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qtap.capture.cgroups import Place, monitored_place, named_place, place_in

A = "0a" * 31 + "f1"
B = "b2" * 32
UID = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
UNIT_UID = UID.replace("-", "_")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0::/", ""),
        ("0::/user.slice/user-1000.slice/session-2.scope", ""),
        ("0::/system.slice/containerd.service", ""),
        (f"0::/system.slice/docker-{A}.scope", A),
        (f"12:pids:/docker/{A}\n0::/docker/{A}", A),
        (f"9:name=systemd:/\n4:memory:/docker/{A}\n0::/", A),
        (f"0::/../../docker-{A}.scope", A),
        (f"0::/ecs/3f0c/{A}", A),
        (f"0::/machine.slice/libpod-{A}.scope/container", A),
        (f"0::/machine.slice/libpod-conmon-{A}.scope", ""),
        (f"3:cpu:/libpod_parent/libpod-{A}", A),
        (f"0::/system.slice/nerdctl-{A}.scope", A),
        (f"0::/default/{A}", A),
        (f"0::/kubepods.slice/kubepods-pod9f1c.slice/cri-containerd-{A}.scope", A),
        (f"11:cpuset:/kubepods/burstable/pod2b7e/{A}", A),
        (f"0::/system.slice/containerd.service/kubepods-burstable-pod{UNIT_UID}.slice:cri-containerd:{A}", A),
        (f"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UNIT_UID}.slice/crio-{A}.scope/container", A),
        (f"0::/docker/{B}/kubepods/pod2b7e/{A}", A),
        (f"0::/docker/{B}/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{A}.scope", A),
        (f"0::/system.slice/crio-conmon-{A}.scope", ""),
        (f"0::/build/{A}0", ""),
        (f"0::/build/{A[:-1]}", ""),
        (f"0::/build/{A.upper()}", ""),
        ("4:memory:/process_api/13253b620c33c1b67589ec0edca666f9", ""),
        ("", ""),
    ],
)
def test_the_id_is_the_innermost_of_a_line(text: str, found: str) -> None:
    place = place_in(text.encode())
    assert (place.id if place else "") == found


@pytest.mark.parametrize(
    ("path", "pod"),
    [
        (f"/kubepods/burstable/pod{UID}/{A}", UID),
        (f"/kubepods.slice/kubepods-pod{UNIT_UID}.slice/cri-containerd-{A}.scope", UID),
        (f"/kubepods/pod{'0f' * 16}/{A}", "0f" * 16),
        (f"/kubepods/podless/{A}", ""),
        (f"/docker/{A}", ""),
    ],
)
def test_kubernetes_puts_the_uid_of_the_pod_into_the_path(path: str, pod: str) -> None:
    assert place_in(f"0::{path}".encode()) == Place(A, pod=pod)


def test_an_engine_of_a_user_runs_in_the_slice_of_that_user() -> None:
    path = f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope/container"
    assert place_in(f"0::{path}".encode()) == Place(A, owner=1000)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/default/web-1", Place("web-1", name="web-1", namespace="default")),
        ("/default/gone", None),
        ("/default/web-1/init", None),
        ("/system.slice/cron.service", None),
        ("/../default", None),
        ("/", None),
    ],
)
def test_containerd_takes_any_name_where_it_has_a_task(path: str, found: Place | None, tmp_path: Path) -> None:
    (tmp_path / "default" / "web-1").mkdir(parents=True)
    (tmp_path / "system.slice" / "cron.service").mkdir(parents=True)
    assert named_place(f"4:memory:/\n0::{path}".encode(), str(tmp_path)) == found


class Proc:
    """A made-up /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run(0, 0, "self", namespace="host")
        (root / "0").rename(root / "self")

    def run(
        self,
        pid: int,
        parent: int,
        comm: str,
        *words: str,
        namespace: str = "inside",
        cgroup: str = "/",
        uids: str = "1000 " * 4,
    ) -> None:
        folder = self.root / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "ns" / "pid").symlink_to(f"pid:[{namespace}]")
        (folder / "stat").write_text(f"{pid} ({comm}) S {parent} 0 0")
        (folder / "status").write_text(f"Name:\t{comm}\nUid:\t{uids}\nGid:\t0 0 0 0\n")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_a_process_of_rootless_podman_is_found_by_its_monitor(proc: Proc) -> None:
    bundle = f"/home/me/.local/share/containers/storage/overlay-containers/{A}/userdata"
    proc.run(10, 1, "conmon", "/usr/bin/conmon", "-c", A, "-u", A, "-b", bundle, "-n", "shop", namespace="host")
    proc.run(11, 10, "sh) (")
    proc.run(12, 11, "curl")
    storage = "/home/me/.local/share/containers/storage/overlay-containers"
    found = monitored_place(12, str(proc.root))
    assert found == Place(A, 1000, name="shop", storage=storage)
    assert monitored_place(10, str(proc.root)) is None


def test_a_shim_names_its_container(proc: Proc) -> None:
    words = ("containerd-shim-runc-v2", "-namespace", "moby", "-id", A)
    proc.run(10, 1, "containerd-shim", *words, namespace="host", uids="0 0 0 0")
    proc.run(11, 10, "nginx")
    assert monitored_place(11, str(proc.root)) == Place(A, namespace="moby")


@pytest.mark.parametrize(("namespace", "identity"), [("../../home/me", "x"), ("default", "../../home/me"), ("default", 'a"')])
def test_what_a_shim_says_is_no_path(proc: Proc, namespace: str, identity: str) -> None:
    proc.run(10, 1, "containerd-shim", "x", "-namespace", namespace, "-id", identity, namespace="host")
    proc.run(11, 10, "nginx")
    assert monitored_place(11, str(proc.root)) is None


@pytest.mark.parametrize(
    "lies",
    [{"namespace": "other"}, {"namespace": "host", "cgroup": f"/docker/{B}"}, {"namespace": "host", "uids": "1000 0 0 0"}],
    ids=["inside", "in a container", "changes its user"],
)
def test_a_program_that_is_only_called_like_a_monitor_tells_nothing(proc: Proc, lies: dict[str, str]) -> None:
    proc.run(10, 1, "conmon", "conmon", "-c", A, "-n", "shop", "-b", f"/etc/{A}/userdata", **lies)
    proc.run(11, 10, "sh")
    assert monitored_place(11, str(proc.root)) is None


@pytest.mark.parametrize("words", [(), ("conmon",), ("conmon", "-c"), ("conmon", "-c", "short"), ("conmon", "-n", "x")])
def test_a_monitor_that_names_none_tells_nothing(proc: Proc, words: tuple[str, ...]) -> None:
    proc.run(10, 1, "conmon", *words, namespace="host")
    proc.run(11, 10, "sh")
    assert monitored_place(11, str(proc.root)) is None


def test_other_sandboxes_and_processes_that_are_gone_have_no_monitor(proc: Proc) -> None:
    proc.run(11, 1, "chrome")
    proc.run(20, 21, "loop")
    proc.run(21, 20, "loop")
    assert [monitored_place(pid, str(proc.root)) for pid in (11, 20, 99)] == [None, None, None]
