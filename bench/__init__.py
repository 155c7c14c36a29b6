"""Measurements of what this program costs, beside peers and beside the limit, as ratios in one run.

A part is a module with one function `measure(plan)` that gives rows of the table. What changes with the host (how fast it is,
who else uses it) is met by pairs: bare and measured runs alternate, each ratio is taken within one pair, and the table shows
the median of the pairs with the lowest and the highest. A row that compares nothing with nothing tells how much of a
difference is noise.
"""

from __future__ import annotations
