"""Cells of programs in containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.live.asking import with_curl
from tests.live.engines import docker, make_image
from tests.live.matrix.cell import Bench, Cell
from tests.live.matrix.cells_commands import lacks
from tests.live.matrix.exchange import Asking, Exchange, Order
from tests.live.matrix.parties import Once, python_http1


@contextmanager
def _curl(bench: Bench, order: Order) -> Iterator[Asking]:
    """Give curl in a container whose libssl is a file like no other; the container has begun to use it before capture."""
    folder = Path(mkdtemp(dir="/tmp", prefix="qtap-"))
    image = make_image(folder / "image.tar", bench.certificate, name=str(folder))
    with docker(folder) as engine:
        engine("import", image, "matrix/curl")
        shared = f"{bench.folder}:{bench.folder}"
        ident = engine("run", "-d", "--network", "host", "-v", shared, "matrix/curl", "/bin/sleep", "1000")
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
