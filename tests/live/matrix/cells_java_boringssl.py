"""Cells of Java programs whose TLS is BoringSSL: netty's tcnative and Conscrypt. None needs --java."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.jvms import Jvm, compiled, jvm
from tests.live.matrix.cell import Bench, Cell
from tests.live.matrix.cells_java import JavaClient, JavaServer
from tests.live.matrix.cells_python import THREADS
from tests.live.matrix.exchange import Asking, ClientOf, Exchange, Order, ServerOf, Serving
from tests.live.matrix.jars import CONSCRYPT, NETTY, TCNATIVE, Jar, fetched, unreachable
from tests.live.matrix.parties import python_http1
from tests.live.program import Capture, until

_SOURCES = Path(__file__).parent / "netty"
_PROVIDERS = ("org.conscrypt.OpenSSLProvider", "SUN", "SunRsaSign", "SunEC", "SunJSSE", "SunJCE")
"""Conscrypt before those that it needs."""
_CONSCRYPT = "BoringSSL in Conscrypt {}, stripped"
_NATIVE = ("netty_tcnative", "conscrypt_openjdk_jni")


class _Client(JavaClient):
    def wait_for(self, capture: Capture) -> None:
        pass


class _Server(JavaServer):
    def wait_for(self, capture: Capture) -> None:
        pass


def _has_boringssl(running: Jvm) -> bool:
    maps = Path(f"/proc/{running.pid}/maps").read_text()
    return any(name in maps for name in _NATIVE)


@contextmanager
def _started(*arguments: str | Path, classpath: Iterable[Path], options: Iterable[str] = ()) -> Iterator[Jvm]:
    """Run a program until it has loaded its TLS: what it does meanwhile is another test's matter."""
    with jvm(_JAVA, *arguments, options=options, classpath=classpath) as running:
        until(lambda: _has_boringssl(running), lambda: "no BoringSSL in the program")
        yield running


def _jars(bench: Bench, jars: Iterable[Jar]) -> list[Path]:
    return [fetched(jar, bench.cache / "jars") for jar in jars]


def _netty(bench: Bench) -> list[Path]:
    jars = _jars(bench, NETTY)
    return [compiled(_SOURCES, *jars), *jars]


@contextmanager
def _netty_client(bench: Bench, order: Order) -> Iterator[Asking]:
    arguments = ("NettyAsker", order.url, bench.certificate.with_name("cert.pem"), str(order.connections))
    with _started(*arguments, classpath=_netty(bench)) as running:
        yield _Client(running, order)


@contextmanager
def _netty_server(bench: Bench) -> Iterator[Serving]:
    arguments = ("NettyAnswerer", bench.certificate.with_name("cert.pem"), bench.certificate)
    with _started(*arguments, classpath=_netty(bench)) as running:
        yield _Server(running, f"https://127.0.0.1:{running.stdout.readline().strip()}")


def _providing(bench: Bench) -> str:
    """Give the option that makes Conscrypt the first of Java's providers."""
    file = bench.folder / "conscrypt.security"
    file.write_text("".join(f"security.provider.{number}={name}\n" for number, name in enumerate(_PROVIDERS, 1)))
    return f"-Djava.security.properties={file}"


def _conscrypt_client(version: str, kind: str) -> ClientOf:
    @contextmanager
    def start(bench: Bench, order: Order) -> Iterator[Asking]:
        arguments = ("Asker", kind, order.url, bench.certificate.with_name("cert.pem"), str(order.connections))
        with _started(*arguments, options=[_providing(bench)], classpath=_jars(bench, [CONSCRYPT[version]])) as running:
            yield _Client(running, order)

    return start


def _conscrypt_server(version: str) -> ServerOf:
    @contextmanager
    def start(bench: Bench) -> Iterator[Serving]:
        arguments = ("Answerer", bench.certificate.with_name("cert.pem"), bench.certificate)
        with _started(*arguments, options=[_providing(bench)], classpath=_jars(bench, [CONSCRYPT[version]])) as running:
            yield _Server(running, f"https://127.0.0.1:{running.stdout.readline().strip()}")

    return start


def _absent() -> str:
    if not shutil.which("javac"):
        return "no javac (apt install default-jdk-headless)"
    return unreachable() if platform.machine() == "x86_64" else "these jars are of x86-64"


def _cells() -> Iterator[Cell]:
    tls = f"BoringSSL in netty-tcnative {TCNATIVE}"
    yield Cell("netty", "netty", "netty on epoll", tls, "HTTP/1.1", Exchange(_netty_client, _netty_server), absent=_absent)
    for version in CONSCRYPT:
        yield Cell(
            f"conscrypt-{version}",
            "HttpsURLConnection",
            "http.server",
            f"{_CONSCRYPT.format(version)}; OpenSSL 3",
            "HTTP/1.1",
            Exchange(_conscrypt_client(version, "url"), python_http1()),
            late=("server",),
            why=THREADS,
            absent=_absent,
        )
        yield Cell(
            f"conscrypt-{version}-both",
            "HttpClient",
            "HttpsServer",
            _CONSCRYPT.format(version),
            "HTTP/1.1",
            Exchange(_conscrypt_client(version, "h1"), _conscrypt_server(version)),
            absent=_absent,
        )


_JAVA = shutil.which("java") or ""
CELLS = [*_cells()]
