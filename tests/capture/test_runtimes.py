"""Containers as the Container Runtime Interface and containerd tell of them, over a runtime that a test plays."""

from __future__ import annotations

import time
from pathlib import Path

from qtap.capture.runtimes import list_containerd, list_cri
from qtap.model import Container, Pod
from tests.capture.runtime import Runtime, field, pairs

WEB, JOB, SANDBOX = "0a" * 32, "b2" * 32, "c3" * 32
POD = Pod("web-0", "shop", "1b9d", {"app": "web"}, {"note": "hello"})


def cri_container(identity: str, name: str, image: bytes, labels: dict[str, str]) -> bytes:
    head = field(1, identity) + field(2, SANDBOX) + field(3, field(1, name)) + field(4, image)
    return field(1, head + field(5, "sha256:77") + b"\x30\x01" + pairs(8, labels) + pairs(9, {"io.kubernetes.x": "y"}))


def cri(headers: dict[bytes, bytes], message: bytes) -> bytes | None:
    web = cri_container(WEB, "front", field(1, "sha256:77"), {"team": "shop"})
    job = cri_container(JOB, "job", field(1, "sha256:78") + field(18, "shop/job:2"), {})
    sandbox = field(1, SANDBOX) + field(2, field(1, "web-0") + field(2, "1b9d") + field(3, "shop"))
    pods = field(1, sandbox + b"\x18\x00" + pairs(5, POD.labels) + pairs(6, POD.annotations))
    match headers[b":path"].rpartition(b"/")[2]:
        case b"ListContainers":
            return (web if WEB.encode() in message or not message else b"") + (job if not message else b"")
        case b"ListPodSandbox":
            return pods if not message or SANDBOX.encode() in message else b""
        case b"ContainerStatus":
            assert message == field(1, WEB)
            return field(1, field(1, WEB) + field(8, field(1, "shop/front:1"))) + pairs(2, {"info": "{}"})
    return None


def soon() -> float:
    return time.monotonic() + 30


def test_cri_lists_containers_with_their_pods_and_the_sandboxes(tmp_path: Path) -> None:
    with Runtime(tmp_path / "s", cri) as runtime:
        assert list_cri(runtime.path, "", soon()) == {
            SANDBOX: Container("c3" * 6, "POD", pod=POD),
            WEB: Container("0a" * 6, "front", "sha256:77", {"team": "shop"}, POD),
            JOB: Container("b2" * 6, "job", "shop/job:2", {}, POD),
        }


def test_cri_asked_for_one_gives_the_name_of_its_image_too(tmp_path: Path) -> None:
    with Runtime(tmp_path / "s", cri) as runtime:
        assert list_cri(runtime.path, WEB, soon()) == {WEB: Container("0a" * 6, "front", "shop/front:1", {"team": "shop"}, POD)}
        assert list_cri(runtime.path, SANDBOX, soon()) == {SANDBOX: Container("c3" * 6, "POD", pod=POD)}
        assert list_cri(runtime.path, "d4" * 32, soon()) == {}


def containerd(headers: dict[bytes, bytes], message: bytes) -> bytes | None:
    if headers[b":path"].endswith(b"Namespaces/List"):
        return b"".join(field(1, field(1, name)) for name in ("default", "moby", "empty"))
    namespace = headers[b"containerd-namespace"]
    assert namespace != b"moby"
    assert message in {b"", field(1, 'id=="job"')}
    if namespace != b"default":
        return b""
    web = field(1, WEB) + pairs(2, {"nerdctl/name": "web", "team": "shop"}) + field(3, "shop/front:1")
    return field(1, field(1, "job") + field(3, "shop/job:2")) + (field(1, web) if not message else b"")


def test_containerd_lists_those_of_every_namespace_but_the_one_that_docker_names_better(tmp_path: Path) -> None:
    job = {"job": Container("job", "job", "shop/job:2")}
    web = {WEB: Container("0a" * 6, "web", "shop/front:1", {"nerdctl/name": "web", "team": "shop"})}
    with Runtime(tmp_path / "s", containerd) as runtime:
        assert list_containerd(runtime.path, "", soon()) == job | web
        assert list_containerd(runtime.path, "job", soon()) == job
