"""Cells of nginx, and of clients in C: GnuTLS, NSS, and OpenSSL in the program's own file."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.live.asking import COUNT, Ask, asks
from tests.live.command_clients import with_tstclnt, with_wget
from tests.live.matrix.cell import Bench, Cell
from tests.live.matrix.cells_python import OPENSSL, THREADS, asker
from tests.live.matrix.exchange import Asking, ClientOf, Exchange, Order, ServerOf, Serving
from tests.live.matrix.judging import Terms
from tests.live.matrix.parties import client, once, python_http1
from tests.live.nginx import SIZES, Nginx, nginx
from tests.live.program import PATIENCE, Capture
from tests.live.servers import Seen, body_for, digest

_STATIC = Path(__file__).parent.parent / "static.c"
_LIBRARIES = ("-l:libssl.a", "-l:libcrypto.a", "-lpthread", "-ldl")
_FILES = {f"/{size}": digest(body_for(f"file of {size}", size)) for size in SIZES}
_CONTENT = _FILES | {"/gone": digest(b"gone for good\n"), "/open": digest(b"opened\n")}


def lacks(*programs: str, how: str) -> Callable[[], str]:
    """Say which of these programs are not here."""

    def absent() -> str:
        missing = [name for name in programs if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
        return f"no {', '.join(missing)} ({how})" if missing else ""

    return absent


class _Nginx(Serving):
    def __init__(self, running: Nginx, *, tls: bool) -> None:
        self._running, self._tls = running, tls

    @property
    def url(self) -> str:
        return self._running.https if self._tls else self._running.http

    def wait_for(self, capture: Capture) -> None:
        pass

    def record(self) -> list[Seen]:
        """Give what the access log has, once it has stopped growing."""
        lines = 0
        while lines < COUNT or lines != len(self._running.record):
            lines = len(self._running.record)
            time.sleep(0.3)
        return [_logged(line) for line in self._running.record]


def _logged(line: dict[str, object]) -> Seen:
    fields = {name: str(value) for name, value in line.items()}
    path = fields["target"].partition("?")[0]
    headers = [("X-Id", fields["id"]), ("User-Agent", fields["agent"])]
    seen = Seen(fields["id"], int(fields["port"]), fields["method"], fields["target"], headers, digest(b""), 0.0)
    seen.status, seen.response_headers = int(fields["status"]), [("X-Peer-Port", fields["port"])]
    seen.response_body = digest(b"") if seen.method == "HEAD" else _CONTENT[path]
    return seen


def _nginx(*, tls: bool) -> ServerOf:
    @contextmanager
    def start(bench: Bench) -> Iterator[Serving]:
        with nginx(Path(mkdtemp(dir=bench.folder)) / "nginx", bench.certificate, sendfile=not tls) as running:
            yield _Nginx(running, tls=tls)

    return start


def _files(ident: str) -> Iterable[Ask]:
    paths = ("/1", "/1000", "/20000", "/1000", "/gone", "/300000", "/1")
    for n in range(COUNT):
        name, path = f"{ident}-{n}", paths[n % 7] if n % 70 else "/3000000"
        method = "HEAD" if n % 9 == 4 else "GET"
        yield Ask(name, method, f"{path}?n={n}", (("X-Id", name),), None, chunked=False, new_connection=False)


def _wget(order: Order, certificate: Path) -> None:
    with_wget(order.url, certificate, order.asks, order.folder)


def _tstclnt(order: Order, _: Path) -> None:
    with_tstclnt(order.url, order.asks, order.folder)


def _git(order: Order, certificate: Path) -> None:
    """Ask for the references of repositories that are not there."""
    environment = os.environ | {"GIT_SSL_CAINFO": str(certificate), "GIT_TERMINAL_PROMPT": "0"}

    def run(ask: Ask) -> None:
        command = ["git", "-c", f"http.extraHeader=X-Id: {ask.id}", "ls-remote", f"{order.url}{ask.path}"]
        subprocess.run(command, env=environment, timeout=PATIENCE, check=False, capture_output=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, order.asks))


def _repositories(ident: str) -> Iterable[Ask]:
    for ask in asks(ident):
        yield Ask(ask.id, "GET", f"{ask.path.partition('&')[0]}&size=500&status=404&repository=", (), None, False, False)  # noqa: FBT003


class _Static(Asking):
    """One connection of tests/live/static.c, which is open before it asks."""

    def __init__(self, program: Path, order: Order) -> None:
        self._command: list[str | Path] = [program, order.url.rpartition(":")[2], str(len(order.asks))]
        self.process: subprocess.Popen[str] | None = None

    def open(self) -> None:
        self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "open\n"

    def wait_for(self, capture: Capture) -> None:
        pass

    def ask(self) -> None:
        assert self.process is not None
        self.process.communicate("\n", PATIENCE)
        assert self.process.returncode == 0


@cache
def _built(bench: Bench, *, stripped: bool) -> Path:
    file = bench.folder / f"static-{stripped}"
    options = ["-s"] if stripped else []
    subprocess.run(["gcc", "-O2", *options, "-o", file, _STATIC, *_LIBRARIES], check=True)
    return file


def _static(*, stripped: bool) -> ClientOf:
    @contextmanager
    def start(bench: Bench, order: Order) -> Iterator[Asking]:
        asking = _Static(_built(bench, stripped=stripped), order)
        try:
            yield asking
        finally:
            if asking.process:
                asking.process.kill()
                asking.process.communicate()

    return start


def _no_static() -> str:
    done = subprocess.run(["gcc", "-print-file-name=libssl.a"], capture_output=True, text=True, check=False)
    return "" if Path(done.stdout.strip()).is_absolute() else "no static OpenSSL (apt install libssl-dev)"


def _static_cell(name: str, *, stripped: bool) -> Cell:
    kind = "OpenSSL 3 static, stripped" if stripped else "OpenSSL 3 static"
    run = Exchange(_static(stripped=stripped), python_http1(), known=False)
    return Cell(name, "C", "http.server", kind, "HTTP/1.1", run, late=("server",), why=THREADS, absent=_no_static)


def _nginx_cell(name: str, asks_with: str, *, tls: bool) -> Cell:
    run = Exchange(client(asker(asks_with)), _nginx(tls=tls), terms=Terms(is_partial=True), asks=_files)
    library = OPENSSL if tls else "none, files by sendfile"
    return Cell(name, asks_with, "nginx", library, "HTTP/1.1", run, absent=lacks("nginx", how="apt install nginx"))


CELLS = [
    _nginx_cell("nginx", "requests", tls=True),
    _nginx_cell("nginx-plain", "requests", tls=False),
    Cell(
        "wget",
        "wget",
        "http.server",
        "GnuTLS; OpenSSL 3",
        "HTTP/1.1",
        Exchange(once(_wget), python_http1()),
        modes=("new",),
        absent=lacks("wget", how="apt install wget"),
    ),
    Cell(
        "git",
        "git",
        "http.server",
        "GnuTLS; OpenSSL 3",
        "HTTP/1.1",
        Exchange(once(_git), python_http1(), asks=_repositories),
        modes=("new",),
        absent=lacks("git", how="apt install git"),
    ),
    Cell(
        "tstclnt",
        "tstclnt",
        "http.server",
        "NSS; OpenSSL 3",
        "HTTP/1.1",
        Exchange(once(_tstclnt), python_http1()),
        modes=("new",),
        absent=lacks("tstclnt", "certutil", how="apt install libnss3-tools"),
    ),
    _static_cell("static", stripped=False),
    _static_cell("static-stripped", stripped=True),
]
