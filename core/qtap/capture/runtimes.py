"""Asking container runtimes over gRPC: the Container Runtime Interface of Kubernetes, and containerd's own services.

CRI: runtime.v1 (kubernetes/cri-api, pkg/apis/runtime/v1/api.proto), which containerd, CRI-O and k3s answer; the numbers of its
fields are below. containerd: containers.v1 and namespaces.v1 (containerd, api/services), for what nerdctl and ctr started.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from qtap.capture.grpc_client import CallError, call, fields, message_field, text_field
from qtap.model import Container, Pod, pod_of

_CRI = "/runtime.v1.RuntimeService/"
_CONTAINERD = "/containerd.services."
_ONE_LIMIT, _ALL_LIMIT = 1 << 18, 1 << 22
"""Bytes of an answer: two thousand containers with their labels and annotations are 2 KB each."""
_NAMESPACES = 64
_ELSEWHERE = ("moby",)
"""containerd's namespaces whose containers another engine names better: Docker's."""
SANDBOX = "POD"
"""The name of the container that holds a pod together."""


def list_cri(path: str, only: str, deadline: float) -> dict[str, Container]:
    """Ask the CRI at the socket `path` for its containers and pod sandboxes, or for the one with the id `only`.

    The keys are full ids. Raises CallError, also when nothing there speaks CRI.
    """
    limit = _ONE_LIMIT if only else _ALL_LIMIT
    ask = partial(call, path, deadline=deadline, limit=limit)
    # ListContainersRequest and ListPodSandboxRequest: 1 filter, of which 1 id.
    containers = ask(_CRI + "ListContainers", message_field(1, text_field(1, only)) if only else b"")
    listed = [_CriContainer(message) for number, message in fields(containers) if number == 1]
    sandbox = listed[0].sandbox if only and listed else only
    sandboxes = ask(_CRI + "ListPodSandbox", message_field(1, text_field(1, sandbox)) if sandbox else b"")
    pods = dict(_sandbox(message) for number, message in fields(sandboxes) if number == 1)
    found = {
        identity: Container(identity[:12], SANDBOX, pod=pod) for identity, pod in pods.items() if not only or identity == only
    }
    for entry in listed:
        image = entry.image
        if only and image.startswith("sha256:"):  # what the kubelet asks for; the status has a name
            image = _status_image(ask(_CRI + "ContainerStatus", text_field(1, only))) or image
        found[entry.id] = Container(entry.id[:12], entry.name, image, entry.labels, pods.get(entry.sandbox))
    return found


def list_containerd(path: str, only: str, deadline: float) -> dict[str, Container]:
    """Ask containerd at the socket `path` for the containers of all of its namespaces, or for those with the id `only`.

    Raises CallError.
    """
    ask = partial(call, path, deadline=deadline, limit=_ONE_LIMIT if only else _ALL_LIMIT)
    found: dict[str, Container] = {}
    # ListNamespacesResponse: 1 namespaces, of which 1 name. ListContainersRequest: 1 filters. Its response: 1 containers.
    namespaces = _texts(ask(_CONTAINERD + "namespaces.v1.Namespaces/List", b""), 1, 1)
    for namespace in [name for name in namespaces if name not in _ELSEWHERE][:_NAMESPACES]:
        request = text_field(1, f'id=="{only}"') if only else b""
        answer = ask(_CONTAINERD + "containers.v1.Containers/List", request, metadata={"containerd-namespace": namespace})
        for number, message in fields(answer):
            if number == 1:
                identity, container = _containerd_container(message)
                found.setdefault(identity, container)
    return found


def short_id(identity: str) -> str:
    """Give the part of an id by which it is known: twelve digits, or all of a name that somebody chose."""
    return identity[:12] if len(identity) == 64 else identity  # noqa: PLR2004 - SHA-256 in hexadecimal


class _CriContainer:
    """Container: 1 id, 2 pod_sandbox_id, 3 metadata (1 name), 4 image (1 image, 18 user_specified_image), 8 labels."""

    def __init__(self, message: bytes) -> None:
        self.id = self.sandbox = self.name = self.image = ""
        self.labels: dict[str, str] = {}
        for number, value in fields(message):
            if number == 1:
                self.id = _text(value)
            elif number == 2:  # noqa: PLR2004 - the schema's, here and below
                self.sandbox = _text(value)
            elif number == 3:  # noqa: PLR2004
                self.name = _first(value, 1)
            elif number == 4:  # noqa: PLR2004
                self.image = _image(value)
            elif number == 8:  # noqa: PLR2004
                self.labels.update(_entry(value))


def _sandbox(message: bytes) -> tuple[str, Pod]:
    """Read a PodSandbox: 1 id, 2 metadata (1 name, 2 uid, 3 namespace), 5 labels, 6 annotations."""
    identity = name = uid = namespace = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for number, value in fields(message):
        if number == 1:
            identity = _text(value)
        elif number == 2:  # noqa: PLR2004
            name, uid, namespace = (_first(value, part) for part in (1, 2, 3))
        elif number == 5:  # noqa: PLR2004
            labels.update(_entry(value))
        elif number == 6:  # noqa: PLR2004
            annotations.update(_entry(value))
    return identity, Pod(name, namespace, uid, labels, annotations)


def _status_image(answer: bytes) -> str:
    """Read from a ContainerStatusResponse: 1 status, of which 8 image."""
    return next((_image(value) for _, status in fields(answer) for number, value in fields(status) if number == 8), "")  # noqa: PLR2004


def _image(spec: bytes) -> str:
    return _first(spec, 18) or _first(spec, 1)


def _containerd_container(message: bytes) -> tuple[str, Container]:
    """Read a Container: 1 id, 2 labels, 3 image."""
    identity = image = ""
    labels: dict[str, str] = {}
    for number, value in fields(message):
        if number == 1:
            identity = _text(value)
        elif number == 2:  # noqa: PLR2004
            labels.update(_entry(value))
        elif number == 3:  # noqa: PLR2004
            image = _text(value)
    name = labels.get("nerdctl/name") or labels.get("io.kubernetes.container.name") or short_id(identity)
    return identity, Container(short_id(identity), name, image, labels, pod_of(labels))


def _texts(message: bytes, outer: int, inner: int) -> Iterator[str]:
    return (_first(value, inner) for number, value in fields(message) if number == outer)


def _first(message: bytes, wanted: int) -> str:
    return next((_text(value) for number, value in fields(message) if number == wanted), "")


def _entry(message: bytes) -> dict[str, str]:
    """Read one entry of a map: 1 key, 2 value."""
    return {_first(message, 1): _first(message, 2)}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


__all__ = ["CallError", "list_containerd", "list_cri", "short_id"]
