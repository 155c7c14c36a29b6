"""How many of the requests that the server answered are reported, and whether every missing one is counted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, NamedTuple

import msgspec

from bench.accounting import cpu_seconds, settle
from bench.clients import Load, pace, saturate
from bench.modes import FULL, SSLSNIFF, SSLSNIFF_IS_MISSING, Mode, sslsniff_command
from bench.plan import Plan, alone, say, undisturbed
from bench.report import Bound, Row
from bench.server import Server

_RATES = {1000: Bound(">=", 100), 5000: Bound(">=", 100), 10_000: None}
_MISCOUNTED = Bound("<=", 0.1)
_NO_LOSS = {(), ("closed_without_response",)}
"""Of these nothing is missing: a client that leaves before the answer is no loss."""
_OWN = Bound("<=", 50)
_RECORDS = 4
"""That one request makes: the client's write, the server's read, and back."""
_EVENTS = (b"READ/RECV", b"WRITE/SEND")
_FLUSH = 0.3
"""Seconds until what was printed has reached the file."""


class _Metadata(msgspec.Struct, frozen=True):
    local_address: str = ""
    remote_address: str = ""


class _Half(msgspec.Struct, frozen=True):
    method: str = ""
    status: int = 0


class _Data(msgspec.Struct, frozen=True):
    """What of the lines matters here."""

    metadata: _Metadata = _Metadata()
    request: _Half = _Half()
    response: _Half = _Half()
    incomplete: tuple[str, ...] = ()
    where: str = ""
    what: str = ""
    count: int = 0


class _Line(msgspec.Struct):
    event: str
    data: _Data


class Reported(NamedTuple):
    """What one run's output says of the server's requests."""

    whole: int
    """Transactions of which nothing was lost."""
    records: int
    """Of the whole ones and of the incomplete ones."""
    lost: dict[str, int]
    """By place and unit."""

    @property
    def counted(self) -> int:
        """Records that are there, or known to be lost; a transaction that a store refused had two."""
        return self.records + sum(count * (2 if place.endswith("transactions") else 1) for place, count in self.lost.items())


class Result(NamedTuple):
    """One run at one rate."""

    rate: float
    answered: int
    reported: Reported
    own: float
    """Microseconds the program used for a request."""


def measure(plan: Plan) -> list[Row]:
    """Give the share reported and accounted for at each rate, for TLS, and at saturation also for plain HTTP and sslsniff."""
    rows: list[Row] = []
    with Server() as server:
        url = server.urls["TLS"]
        for rate, target in _RATES.items():
            load = partial(pace, url, plan.seconds, rate)
            rows += _rows(f"{_spaced(rate)} a second, TLS", _runs(plan, server, load), target, _OWN)
        for transport, url in server.urls.items():
            load = partial(saturate, url, plan.seconds)
            rows += _rows(f"saturation, {transport}", _runs(plan, server, load), None, None)
        rows.append(_of_sslsniff(server, plan))
    return sorted(rows, key=lambda row: row.what)


def _runs(plan: Plan, server: Server, load: Callable[[], Load]) -> list[Result]:
    return [alone(partial(_run, server, load)) for _ in range(max(plan.pairs // 2, 1))]


def _run(server: Server, load: Callable[[], Load]) -> Result:
    with tempfile.TemporaryFile() as output:
        answered, _, own, sent = _watched(FULL, server, load, output)
        output.seek(0)
        reported = _read(_lines(output), (f":{server.tls_port}", f":{server.plain_port}"))
    return Result(sent.rate, answered, reported, own / answered * 1e6)


def _watched(mode: Mode, server: Server, load: Callable[[], Load], output: IO[bytes]) -> tuple[int, float, float, Load]:
    """Run `load` inside `mode`; give the requests that the server answered, both CPU times in seconds, and what was sent."""
    before = server.requests()
    with mode.start(output.fileno()) as pid:
        own, worker = cpu_seconds(pid), server.cpu()
        sent = undisturbed(load)
        say(f"recall, {mode.name}, {sent.rate:.0f} a second")
        settle(pid)
        time.sleep(_FLUSH)
        return server.requests() - before, server.cpu() - worker, cpu_seconds(pid) - own, sent


def _lines(output: IO[bytes]) -> Iterator[_Data]:
    decode = msgspec.json.Decoder(_Line).decode
    for line in output:
        if line.startswith((b'{"event":"http_transaction"', b'{"event":"loss"')):
            yield decode(line).data


def _read(lines: Iterator[_Data], ports: tuple[str, str]) -> Reported:
    whole = records = 0
    lost: dict[str, int] = {}
    for data in lines:
        if data.where:
            place = f"{data.where} {data.what}"
            lost[place] = lost.get(place, 0) + data.count
        elif data.metadata.local_address.endswith(ports) or data.metadata.remote_address.endswith(ports):
            whole += data.incomplete in _NO_LOSS
            records += bool(data.request.method) + bool(data.response.status)
    return Reported(whole, records, lost)


def _rows(case: str, results: list[Result], target: Bound | None, own: Bound | None) -> list[Row]:
    reported = [50 * one.reported.whole / one.answered for one in results]
    wrong = [100 * abs(one.reported.counted / (_RECORDS * one.answered) - 1) for one in results]
    return [
        Row("reported", f"{case} ({_spaced(results[0].rate)} reached)", reported, "%", target),
        Row("reported or counted as lost, difference", case, wrong, "%", _MISCOUNTED),
        Row("reported, own processor time a request", case, [one.own for one in results], "us", own),
    ]


def _spaced(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def _of_sslsniff(server: Server, plan: Plan) -> Row:
    case = f"{SSLSNIFF.name}, saturation, TLS"
    if not sslsniff_command():
        return Row("reported", case, [], note=SSLSNIFF_IS_MISSING)
    load = partial(saturate, server.urls["TLS"], plan.seconds)
    return Row("reported", case, [alone(partial(_sniffed, server, load))], "%")


def _sniffed(server: Server, load: Callable[[], Load]) -> float:
    with tempfile.TemporaryFile() as output:
        answered, *_ = _watched(SSLSNIFF, server, load, output)
        output.seek(0)
        events = sum(line.startswith(_EVENTS) for line in output)
    return 100 * events / (_RECORDS * answered)
