"""The kernel side's other half: compile and load the programs of `bpf/`, set probes, read the ring, know the processes.

`compiler` turns `bpf/` into bytecode in a short-lived child that has BCC; `bpf` speaks to bpf(2); `engine` loads and attaches;
`ring` drains; `records` decodes; `probes` sets what `tls` and `libraries` find; `processes` and `containers` tell whose it is.
"""

from __future__ import annotations
