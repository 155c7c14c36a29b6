"""Numbers, times and reasons as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtap_tui import formats
from tests.tui.synthetic import START


@given(st.integers(0, 10**18))
def test_a_size_takes_at_most_five_cells(number: int) -> None:
    assert len(formats.size(number)) <= 5


@given(st.integers(0, 10**18))
def test_a_duration_takes_at_most_six_cells_for_a_year(nanoseconds: int) -> None:
    assert len(formats.duration(nanoseconds % (365 * 86400 * 10**9))) <= 6


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9_949, "9.9k"), (9_960, "10k"), (1_500_000, "1.5M"), (999_700, "1.0M")],
)
def test_sizes_keep_two_digits(number: int, text: str) -> None:
    assert formats.size(number) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0µs"),
        (85_000, "85µs"),
        (1_230_000, "1.2ms"),
        (12_000_000, "12ms"),
        (999_600_000, "1.0s"),
        (3_440_000_000, "3.4s"),
        (125 * 10**9, "2m05s"),
        (11_520 * 10**9, "3h12m"),
    ],
)
def test_durations_change_their_unit(nanoseconds: int, text: str) -> None:
    assert formats.duration(nanoseconds) == text


def test_times_are_those_of_this_hosts_zone() -> None:
    assert formats.clock_ms(START) == "15:06:40.123"
    assert formats.moment(START) == "2025-06-15 15:06:40.123000 UTC"
    assert formats.clock(0) == "--:--:--"
    assert formats.moment(0) == "unknown"


def test_a_reason_nobody_explained_is_still_readable() -> None:
    assert formats.reason("response_lost").startswith("the response was lost on the way from the kernel")
    assert formats.reason("moon_phase") == "moon phase"
