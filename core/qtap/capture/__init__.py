"""The kernel side's other half: compile and load the programs of `bpf/`, set probes, read the ring, find libraries and processes.

`compiler` turns `bpf/` into bytecode in a short-lived child that has BCC; `bpf` speaks to bpf(2); `engine` loads and attaches;
`ring` drains; `records` decodes; `live` is the Source that puts them together.
"""

from __future__ import annotations
