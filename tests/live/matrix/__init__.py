"""The proof matrix: each cell is a client, a server, a TLS library and a protocol, and what of their traffic must be seen.

`python -m tests.live.matrix [CELL…]` runs cells and prints what each reached. `cell` says what one is, `judging` how it is
judged, `exchange` how it goes; the modules `cells_…` hold them.
"""
