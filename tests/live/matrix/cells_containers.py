"""Cells of programs in containers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.live.asking import with_curl
from tests.live.engines import docker, make_image
from tests.live.matrix.cell import Bench, Cell
from tests.live.matrix.cells_commands import lacks
from tests.live.matrix.exchange import Asking, Exchange, Order
from tests.live.matrix.parties import Once, python_http1


@contextmanager
def _curl(bench: Bench, order: Order) -> Iterator[Asking]:
    """Give curl in a container whose libssl is a file like no other; a curl that gets no answer uses it before capture."""
    with (
        TemporaryDirectory(prefix="qtap-", ignore_cleanup_errors=True) as short,
        socket.create_server(("127.0.0.1", 0)) as silent,
        docker(Path(short)) as engine,
    ):
        engine("import", make_image(Path(short) / "image.tar", bench.certificate, name=short), "matrix/curl")
        options = ("-d", "--network", "host", "-v", f"{bench.folder}:{bench.folder}", "matrix/curl")
        ident = engine("run", *options, "/usr/bin/curl", "-s", f"http://127.0.0.1:{silent.getsockname()[1]}")
        command = ("docker", "-H", f"unix://{engine.socket}", "exec", ident, "/usr/bin/curl")
        name = order.asks[0].id.rpartition("-")[0] if order.asks else ""
        yield Once(lambda: with_curl(order.url, bench.certificate, name, order.folder, curl=command))


CELLS = [
    Cell(
        "docker",
        "curl in a container",
        "http.server",
        "OpenSSL 3, a libssl of its own; OpenSSL 3",
        "HTTP/1.1",
        Exchange(_curl, python_http1(), is_ours=False),
        modes=("new",),
        absent=lacks("dockerd", "docker", how="apt install docker.io"),
    )
]
