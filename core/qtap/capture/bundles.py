"""Names of containers from the files of their runtimes: for engines whose socket is silent, or off, as Podman's mostly is.

OCI bundles: config.json (opencontainers/runtime-spec, config.md), whose annotations carry what the engine knew.
containers/storage, of Podman and CRI-O: `overlay-containers/containers.json`, a list of all containers with their names. Where
a user's engine said that its files are, only files of that user are read: they tell nothing that this user does not know.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from qtap.capture.cgroups import Place
from qtap.capture.inside import read_inside
from qtap.capture.runtimes import SANDBOX, short_id
from qtap.model import Container, Pod, pod_of

TASKS = ("/run/containerd/io.containerd.runtime.v2.task", "/run/k3s/containerd/io.containerd.runtime.v2.task")
"""Folders of containerd's bundles: `<namespace>/<id>/config.json`."""
STORAGES = ("/var/lib/containers/storage/overlay-containers", "/run/containers/storage/overlay-containers")
"""Folders of containers/storage: `containers.json` and `<id>/userdata/config.json`."""
_LIMIT = 4 << 20
"""Bytes of a file."""
_CRI, _CRIO = "io.kubernetes.cri.", "io.kubernetes.cri-o."


_T = TypeVar("_T")


class _Bundle(msgspec.Struct):
    annotations: dict[str, str] = {}


class _Stored(msgspec.Struct):
    id: str
    names: list[str] = []
    metadata: str = ""


class _Metadata(msgspec.Struct):
    name: str = ""
    image_name: str = msgspec.field(default="", name="image-name")


class _File(NamedTuple):
    """A path in a folder that is as trustworthy as `owner`."""

    folder: str
    path: str
    owner: int


def find(place: Place, tasks: Sequence[str] = TASKS, storages: Sequence[str] = STORAGES) -> Container | None:
    """Give what files tell of the container at `place`; None when nothing has its name."""
    folders = [_File(folder, "", 0) for folder in storages]
    if place.storage.startswith("/"):
        folders.insert(0, _File("/", f"{place.storage[1:]}/", place.owner))
    for file in _bundles(place, tasks, folders):
        annotations = _read(file, _Bundle(), _Bundle).annotations
        if annotations and (container := _annotated(place, annotations)):
            return container
    stored = _find_stored(place.id, folders)
    if stored:
        metadata = _decoded(stored.metadata.encode(), _Metadata(), _Metadata)
        name = metadata.name or next(iter(stored.names), "")
        return Container(short_id(place.id), name, metadata.image_name)
    return Container(short_id(place.id), place.name) if place.name else None


def _bundles(place: Place, tasks: Sequence[str], storages: Sequence[_File]) -> Iterator[_File]:
    for folder in tasks:
        for namespace in [place.namespace] if place.namespace else _names(folder):
            yield _File(folder, f"{namespace}/{place.id}/config.json", 0)
    for storage in storages:
        yield storage._replace(path=f"{storage.path}{place.id}/userdata/config.json")


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _annotated(place: Place, said: dict[str, str]) -> Container | None:
    """Read the annotations of containerd's CRI, of CRI-O, of nerdctl; None when they name nothing."""
    pod = _pod(said)
    is_sandbox = said.get(_CRI + "container-type", said.get(_CRIO + "ContainerType")) == "sandbox"
    name = said.get(_CRI + "container-name") or said.get("io.kubernetes.container.name") or said.get("nerdctl/name") or ""
    image = said.get(_CRI + "image-name") or said.get(_CRIO + "ImageName") or said.get(_CRIO + "Image") or ""
    labels = _decoded(said.get(_CRIO + "Labels", "{}").encode(), {}, dict[str, str])
    if not name and not is_sandbox:
        return None
    return Container(short_id(place.id), SANDBOX if is_sandbox else name, image, labels, pod)


def _pod(said: dict[str, str]) -> Pod | None:
    if said.get(_CRI + "sandbox-name"):
        return Pod(said[_CRI + "sandbox-name"], said.get(_CRI + "sandbox-namespace", ""), said.get(_CRI + "sandbox-uid", ""))
    return pod_of(said)


def _find_stored(identity: str, storages: Sequence[_File]) -> _Stored | None:
    for storage in storages:
        for name in ("containers.json", "volatile-containers.json"):
            for entry in _read(storage._replace(path=storage.path + name), [], list[_Stored]):
                if entry.id == identity:
                    return entry
    return None


def _read(file: _File, otherwise: _T, kind: type[_T]) -> _T:
    owners = {file.owner} if file.owner else {0, os.geteuid()}
    try:
        return _decoded(read_inside(file.folder, file.path, owners, _LIMIT), otherwise, kind)
    except OSError:
        return otherwise


def _decoded(text: bytes, otherwise: _T, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return otherwise
