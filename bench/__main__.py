"""The command: `python -m bench`, as root."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

from bench.plan import FULL, SHORT, DisturbedError, say
from bench.report import Row, host, table

PARTS = {
    "load": "throughput kept and processor time under load, against sslsniff and the limit",
    "latency": "mean latency at 1 000 requests a second",
    "recall": "share of requests reported, from 1 000 a second to saturation",
    "programs": "nanoseconds a run of each program in the kernel",
    "records": "processor time from a recorded ring to transactions and lines",
    "http2": "processor time of an HTTP/2 transaction beside HTTP/1",
    "start": "time to help, first paint, ready and first captured request; memory at rest",
    "filter": "time to find all hits of a filter among 100 000 rows, and to sort these",
    "keys": "key to paint in a terminal while transactions arrive",
}
_DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_TEXT = """# Benchmarks

`make bench` measured this on {host}. It takes about {minutes} minutes and writes this file; `make bench ARGS="--only load"`
measures one part, `make bench ARGS=--short` tries everything once, and neither writes.

{table}
## How to read it

- The host serves 1 KiB of JSON over keep-alive connections: nginx with one worker, TLS 1.3 (and plain HTTP where it says so),
  wrk with one thread and eight connections. Both ends are on the host, so each request is captured twice.
- Every watched run stands beside a bare run a moment earlier, in turn; a ratio is taken within such a pair. The median of all
  pairs is shown, with the lowest and the highest. "Nothing again" compares bare with bare: differences of that size are noise.
- *Throughput kept*: requests a second with the watcher, divided by requests a second without. The cores are shared by nginx,
  wrk and the watcher, so this is the hardest case: a host that does nothing else than answer.
- *Added processor time*: what nginx and wrk use for a request beyond the bare run, which is where the kernel charges the
  programs. *Own processor time*: what the watching process uses itself, per request sent, lost ones included.
- *The limit*: the same probes and tracepoints with programs that only return. Nobody who hooks these places can cost less.
- *Reported*: transactions with nothing missing, both ends, divided by twice the server's own count of requests.
  *Accounted for*: the records of these and of the incomplete ones, plus those that the loss counters name, divided by the four
  records that a request makes.
- Absolute figures depend on the machine (a probe on an instruction that the kernel must single-step costs twenty times more in
  a virtual machine than on bare metal); ratios travel better.
- The target column holds the figures that the project set itself; "no" stands where they are not reached.
"""


def main() -> None:
    """Measure, print the table, and write the document after a whole run."""
    arguments = _parse()
    if os.geteuid():
        sys.exit("bench: capture needs root: sudo .venv/bin/python -m bench")
    names = arguments.only or list(PARTS)
    rows: list[Row] = []
    began = time.monotonic()
    for name in names:
        say(name)
        try:
            rows += importlib.import_module(f"bench.{name}").measure(SHORT if arguments.short else FULL)
        except DisturbedError as error:
            sys.exit(f"bench: {error}")
    print(table(rows))
    if arguments.short or arguments.only:
        return
    minutes = round((time.monotonic() - began) / 60)
    _DOCUMENT.write_text(_TEXT.format(host=host(), minutes=minutes, table=table(rows)))
    say(f"written to {_DOCUMENT.relative_to(Path.cwd())}")


def _parse() -> argparse.Namespace:
    parts = "\n".join(f"  {name:10}{text}" for name, text in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=str(__doc__),
        epilog=f"parts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help="measure this part; repeatable")
    parser.add_argument("--short", action="store_true", help="measure everything once, to see that it works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
