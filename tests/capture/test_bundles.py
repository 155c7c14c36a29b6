"""Names from the files of runtimes, in the folders and forms that containerd, nerdctl, CRI-O and Podman use."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qtap.capture.bundles import find
from qtap.capture.cgroups import Place
from qtap.model import Container, Pod

A = "0a" * 31 + "f1"
POD = Pod("web-0", "shop", "1b9d")


def bundle(path: Path, annotations: dict[str, str]) -> None:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"ociVersion": "1.0.2", "process": {}, "annotations": annotations}))


def looked_up(root: Path, place: Place | None = None) -> Container | None:
    return find(place or Place(A), (str(root / "tasks"),), (str(root / "storage"),))


def test_containerd_writes_what_kubernetes_asked_for_into_the_bundle(tmp_path: Path) -> None:
    pod = {
        f"io.kubernetes.cri.sandbox-{key}": value
        for key, value in {"name": "web-0", "namespace": "shop", "uid": "1b9d"}.items()
    }
    front = {"io.kubernetes.cri.container-name": "front", "io.kubernetes.cri.image-name": "shop/front:1"}
    bundle(tmp_path / "tasks" / "k8s.io" / A, pod | front | {"io.kubernetes.cri.container-type": "container"})
    assert looked_up(tmp_path) == Container(A[:12], "front", "shop/front:1", {}, POD)
    bundle(tmp_path / "tasks" / "k8s.io" / ("b2" * 32), pod | {"io.kubernetes.cri.container-type": "sandbox"})
    assert looked_up(tmp_path, Place("b2" * 32)) == Container("b2" * 6, "POD", "", {}, POD)


def test_crio_writes_it_into_the_storage(tmp_path: Path) -> None:
    pod = {f"io.kubernetes.pod.{key}": value for key, value in {"name": "web-0", "namespace": "shop", "uid": "1b9d"}.items()}
    front = {
        "io.kubernetes.container.name": "front",
        "io.kubernetes.cri-o.ImageName": "shop/front:1",
        "io.kubernetes.cri-o.ContainerType": "container",
        "io.kubernetes.cri-o.Labels": '{"team":"shop"}',
    }
    bundle(tmp_path / "storage" / A / "userdata", pod | front)
    assert looked_up(tmp_path) == Container(A[:12], "front", "shop/front:1", {"team": "shop"}, POD)


def test_nerdctl_and_ctr_have_a_name_only(tmp_path: Path) -> None:
    bundle(tmp_path / "tasks" / "default" / A, {"nerdctl/name": "web"})
    assert looked_up(tmp_path) == Container(A[:12], "web")
    bundle(tmp_path / "tasks" / "default" / "job", {})
    assert looked_up(tmp_path, Place("job", name="job", namespace="default")) == Container("job", "job")


def test_podman_lists_its_containers(tmp_path: Path) -> None:
    storage = tmp_path / "home" / "overlay-containers"
    storage.mkdir(parents=True)
    metadata = json.dumps({"image-name": "docker.io/shop/front:1", "name": "web"})
    entries = [{"id": "b2" * 32, "names": ["other"]}, {"id": A, "names": ["web"], "metadata": metadata}]
    (storage / "containers.json").write_text(json.dumps(entries))
    assert looked_up(tmp_path) is None
    assert looked_up(tmp_path, Place(A, os.getuid(), storage=str(storage))) == Container(
        A[:12], "web", "docker.io/shop/front:1"
    )
    assert looked_up(tmp_path, Place("b2" * 32, storage=str(storage))) == Container("b2" * 6, "other")


def test_the_monitor_knows_a_name_where_no_file_does(tmp_path: Path) -> None:
    assert looked_up(tmp_path, Place(A, name="web")) == Container(A[:12], "web")


@pytest.mark.parametrize(
    "text", [b"", b"[", b"[]", b'{"annotations": 7}', b'{"annotations": {"a": 7}}', b"\xff", b"[" * 100_000]
)
def test_a_file_that_is_no_bundle_tells_nothing(tmp_path: Path, text: bytes) -> None:
    folder = tmp_path / "storage" / A / "userdata"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(text)
    (tmp_path / "storage" / "containers.json").write_bytes(text)
    assert looked_up(tmp_path) is None


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder that a user's monitor names, with a file that is not that user's to see."""
    bundle(tmp_path / "secret" / A / "userdata", {"nerdctl/name": "somebody else's"})
    (tmp_path / "secret" / "containers.json").write_text(json.dumps([{"id": A, "names": ["somebody else's"]}]))
    return tmp_path


@pytest.mark.parametrize("link", ["", "containers.json", f"{A}", f"{A}/userdata", f"{A}/userdata/config.json"])
def test_a_link_in_a_storage_leads_nowhere(hostile: Path, link: str) -> None:
    place = hostile / "storage" / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(hostile / "secret" / link)
    claimed = Place(A, os.getuid(), storage=str(hostile / "storage"))
    assert find(claimed, (), ()) is None
    if link:
        assert find(Place(A), (), (str(hostile / "storage"),)) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_a_file_of_another_user_than_the_monitors_is_not_read(hostile: Path) -> None:
    claimed = Place(A, 65534, storage=str(hostile / "secret"))
    assert find(claimed, (), ()) is None
    os.chown(hostile / "secret" / "containers.json", 65534, 65534)
    assert find(claimed, (), ()) == Container(A[:12], "somebody else's")
    assert find(Place(A), (), (str(hostile / "secret"),)) == Container(A[:12], "somebody else's")
    os.chown(hostile / "secret" / A / "userdata" / "config.json", 65534, 65534)
    assert find(Place(A), (), (str(hostile / "secret"),)) is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    os.mkfifo(tmp_path / "storage" / "containers.json")
    assert looked_up(tmp_path) is None


def test_a_file_beyond_all_measure_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "storage" / A / "userdata"
    bundle(folder, {"nerdctl/name": "web", "padding": " " * (5 << 20)})
    assert looked_up(tmp_path) is None
