"""Requests out of containers of real engines: whose they are, and the first one of a container that nobody saw before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live.engines import Containerd, Docker, containerd, docker, make_image, missing, podman
from tests.live.program import Capture, Fields, is_server
from tests.live.servers import Recorder, recorder

pytestmark = [
    pytest.mark.live,
    pytest.mark.matrix,
    pytest.mark.skipif(
        bool(missing("dockerd", "docker", "containerd", "ctr", "runc")), reason="dockerd and containerd are not here"
    ),
]

TRIES = 30
IMAGE = "docker.io/shop/curl:1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with docker(tmp_path_factory.mktemp("docker")) as running:
        yield running


@pytest.fixture(scope="module")
def runtime(engine: Docker, certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    folder = tmp_path_factory.mktemp("containerd")
    engine("import", "--change", 'CMD ["/bin/sleep","1000"]', make_image(folder / "image.tar", certificate), "shop/curl:1")
    engine("save", "shop/curl:1", "-o", folder / "saved.tar")
    with containerd(folder) as running:
        for namespace in ("default", "k8s.io"):
            running.ctr("-n", namespace, "images", "import", folder / "saved.tar")
        yield running


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[Recorder]:
    with recorder(certificate) as running:
        yield running


def curl(server: Recorder, path: str) -> tuple[str, ...]:
    return ("curl", "--silent", "--cacert", "/etc/ca.pem", f"{server.url}/{path}")


def clients_of(capture: Capture) -> list[Fields]:
    return [transaction for transaction in capture.transactions if not is_server(transaction)]


def whole(transactions: list[Fields]) -> list[Fields]:
    return [transaction for transaction in transactions if "incomplete" not in transaction]


def plaintext_not_seen(capture: Capture, port: int) -> list[Fields]:
    """Give the connections to `port` of which is said that nothing showed what was inside."""
    ended = [seen for seen in capture.of("connection") if seen["finalized"] and seen["destination"]["address"]["port"] == port]
    return [connection for connection in ended if "plaintext_not_seen" in connection.get("incomplete", [])]


def capture_of(socket: str, option: str = "--docker-socket-endpoint") -> Capture:
    return Capture("--exe", "/usr/bin/curl", option, socket, only_us=False)


@pytest.mark.parametrize("is_new", [True, False], ids=["new image", "same image"])
def test_the_first_request_of_a_new_container_is_caught_or_told_of(
    engine: Docker, server: Recorder, certificate: Path, tmp_path: Path, *, is_new: bool
) -> None:
    images = [f"first:{number}" for number in range(TRIES if is_new else 1)]
    for image in images:
        engine("import", make_image(tmp_path / "image.tar", certificate, name=f"{tmp_path}{image}"), image)
    with capture_of(engine.socket) as capture:
        for number in range(TRIES):
            image = images[number % len(images)]
            engine(
                "run", "--rm", "--network=host", "--label=team=shop", f"--name=try{number}", image, *curl(server, str(number))
            )
    caught = whole(clients_of(capture))
    assert len(caught) >= 0.9 * TRIES
    told = {connection["source"]["pid"] for connection in plaintext_not_seen(capture, server.server_port)}
    seen = {int(transaction["metadata"]["process_id"]) for transaction in clients_of(capture)}
    assert len(told | seen) == TRIES
    names = {transaction["request"]["path"].strip("/"): transaction["metadata"] for transaction in caught}
    named = [number for number, metadata in names.items() if metadata.get("container_name") == f"try{number}"]
    assert len(named) >= 0.9 * len(caught)
    assert {metadata["container_image"] for number, metadata in names.items() if number in named} <= set(images)


def test_a_container_of_ctr_has_its_name_and_image(runtime: Containerd, server: Recorder) -> None:
    with capture_of(runtime.socket, "--containerd-socket-endpoint") as capture:
        runtime.ctr("run", "--rm", "--net-host", IMAGE, "job-1", *curl(server, "ctr"))
    metadata = clients_of(capture)[0]["metadata"]
    assert (metadata["container_name"], metadata["container_image"]) == ("job-1", IMAGE)


@pytest.mark.skipif(bool(missing("podman", "conmon")), reason="podman is not here")
def test_a_container_of_podman_has_its_name_and_image_without_any_socket(
    server: Recorder, certificate: Path, tmp_path: Path
) -> None:
    image = make_image(tmp_path / "image.tar", certificate, name=str(tmp_path))
    with (
        TemporaryDirectory(prefix="qtap-", ignore_cleanup_errors=True) as short,
        podman(Path(short), image, "shop/curl:1") as run,
        capture_of("/nowhere") as capture,
    ):
        # Two connections, four seconds from each other: it lives long enough for its probes on a machine of any speed.
        run("front", "curl", "--rate", "15/m", *curl(server, "podman/1")[1:], f"{server.url}/podman/2")
        (seen,) = capture.wait_for(
            1, lambda transaction: transaction["request"]["path"] == "/podman/2" and not is_server(transaction)
        )
    metadata = seen["metadata"]
    assert (metadata["container_name"], metadata["container_image"]) == ("front", "localhost/shop/curl:1")


def test_a_pod_has_its_name_and_namespace(runtime: Containerd, server: Recorder) -> None:
    with capture_of(runtime.socket, "--containerd-socket-endpoint") as capture:
        runtime.run_pod("front", IMAGE, *curl(server, "pod"))
        found = capture.wait_for(1, lambda transaction: not is_server(transaction))
    metadata = found[0]["metadata"]
    assert (metadata["container_name"], metadata["container_image"]) == ("front", IMAGE)
    assert (metadata["pod_name"], metadata["pod_namespace"]) == ("web-0", "shop")
