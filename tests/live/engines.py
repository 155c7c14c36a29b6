"""Container engines of a test's own: dockerd without a bridge, containerd with CRI; and an image made of this host's curl."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qtap.capture.grpc_client import CallError, call, fields
from tests.capture.runtime import field, pairs
from tests.live.program import until

PROGRAMS = ("/usr/bin/curl", "/bin/sh", "/bin/sleep")
_START = 60.0


def make_image(path: Path, certificate: Path, *, name: str = "") -> Path:
    """Write a root file system with curl, its libraries and a certificate; `name` makes its libssl a file like no other."""
    needed = {"/etc/ca.pem": certificate}
    for program in PROGRAMS:
        needed[program] = Path(program)
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
        needed |= {word: Path(word) for word in listed if word.startswith("/")}
    with tarfile.open(path, "w") as image:
        for inside, file in needed.items():
            if "libssl" in inside:
                own = path.with_suffix(".so")
                own.write_bytes(file.read_bytes() + name.encode())
                file = own
            image.add(file.resolve(), inside.lstrip("/"))
        for folder in ("proc", "sys", "dev", "tmp", "run"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            image.addfile(entry)
    return path


@contextmanager
def daemon(log: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon until the end of the block."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_START)


class Docker:
    """The command-line client of one engine."""

    def __init__(self, socket: Path) -> None:
        self.socket = str(socket)

    def __call__(self, *arguments: str | Path) -> str:
        command = ["docker", "-H", f"unix://{self.socket}", *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace").strip()


@contextmanager
def docker(folder: Path) -> Iterator[Docker]:
    """Run dockerd; it makes neither a bridge nor rules of a firewall: containers use the host's network."""
    client = Docker(folder / "docker.sock")
    options = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    command = ["dockerd", "-H", f"unix://{client.socket}", *map(str, options), "--bridge=none", "--iptables=false"]
    try:
        with daemon(folder / "log", *command):
            until(lambda: answers(client), "dockerd does not start", _START)
            try:
                yield client
            finally:
                if running := client("ps", "-aq").split():
                    client("rm", "-f", *running)
    finally:
        for left in (folder / "exec" / "netns").glob("*"):  # it leaves the host's network namespace mounted
            subprocess.run(["umount", left], check=False)


def answers(client: Docker) -> bool:
    try:
        client("info")
    except subprocess.CalledProcessError:
        return False
    return True


class Containerd:
    """containerd's socket, asked as ctr and the kubelet do."""

    def __init__(self, socket: Path) -> None:
        self.socket = str(socket)
        self.sandboxes: list[str] = []

    def ctr(self, *arguments: str | Path) -> str:
        command = ["ctr", "-a", self.socket, *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace").strip()

    def cri(self, method: str, request: bytes = b"") -> dict[int, bytes]:
        """Call a method of runtime.v1 (kubernetes/cri-api); give the fields of its answer."""
        path = f"/runtime.v1.RuntimeService/{method}"
        return dict(fields(call(self.socket, path, request, deadline=time.monotonic() + _START, limit=1 << 20)))

    def run_pod(self, container: str, image: str, *command: str) -> str:
        """Run one container in a pod `web-0` of the namespace `shop`, on the host's network; give its id."""
        uid = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
        metadata = field(1, "web-0") + field(2, uid) + field(3, "shop")
        host_network = field(2, field(1, b"\x08\x02"))
        linux = field(8, field(1, f"/kubepods/burstable/pod{uid}") + host_network)
        config = field(1, metadata) + pairs(6, {"app": "web"}) + pairs(7, {"note": "hello"}) + linux
        sandbox = self.cri("RunPodSandbox", field(1, config))[1].decode()
        self.sandboxes.append(sandbox)
        words = b"".join(field(3, word) for word in command)
        labels = {
            "io.kubernetes.container.name": container,
            "io.kubernetes.pod.name": "web-0",
            "io.kubernetes.pod.namespace": "shop",
        }
        own = field(1, field(1, container)) + field(2, field(1, image)) + words + pairs(9, labels)
        made = self.cri("CreateContainer", field(1, sandbox) + field(2, own) + field(3, config))[1].decode()
        self.cri("StartContainer", field(1, made))
        return made


@contextmanager
def containerd(folder: Path) -> Iterator[Containerd]:
    """Run containerd with its CRI plugin, whose sandboxes are made of the image `docker.io/shop/curl:1`."""
    client = Containerd(folder / "containerd.sock")
    (folder / "config.toml").write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n[grpc]\naddress = "{client.socket}"\n'
        '[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "docker.io/shop/curl:1"\nrestrict_oom_score_adj = true\n'
        f'[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "/usr/lib/cni"\nconf_dir = "{folder}/cni"\n'
    )
    with daemon(folder / "log", "containerd", "-c", folder / "config.toml"):
        until(lambda: speaks_cri(client), "containerd does not start", _START)
        try:
            yield client
        finally:
            for sandbox in client.sandboxes:
                client.cri("StopPodSandbox", field(1, sandbox))
                client.cri("RemovePodSandbox", field(1, sandbox))


def speaks_cri(client: Containerd) -> bool:
    try:
        return bool(client.cri("Version"))
    except CallError:
        return False


@contextmanager
def podman(folder: Path, image: Path, name: str) -> Iterator[Callable[..., None]]:
    """Make `image` known to a Podman of its own, which has no daemon; gives what runs a command in a new container.

    `folder` is 40 characters at most, as Podman demands.
    """
    options = ["--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "vfs"]
    command = ["podman", *map(str, options), "--cgroup-manager=cgroupfs", "--runtime=runc"]
    limits = ["--network=host", "--ulimit=nofile=20000:20000", "--ulimit=nproc=1024:1024"]
    subprocess.run([*command, "import", image, name], capture_output=True, check=True)

    def run(called: str, *words: str) -> None:
        subprocess.run([*command, "run", "--rm", "--name", called, *limits, name, *words], capture_output=True, check=True)

    try:
        yield run
    finally:
        subprocess.run([*command, "rm", "--all", "--force"], capture_output=True, check=True)


def missing(*programs: str) -> str:
    """Say which of the programs this host lacks."""
    return ", ".join(program for program in programs if not shutil.which(program))
