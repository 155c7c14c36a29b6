"""The gate between captured text and the terminal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from qtap_tui.text import REPLACEMENT, clean, fit, from_bytes, from_latin, may_be_wide

HOSTILE = st.text(
    st.characters() | st.sampled_from("\x00\x07\x1b\x7f\x9b\u202e\u2066\u200b\u200d\ufe0f\u0301\u0489漢👍🏽🇩\u3164 a")
)


@given(HOSTILE)
@example("\x1b]0;owned\x07")
@example("\u202egpj.exe")
def test_nothing_a_terminal_obeys_or_hides_comes_through(text: str) -> None:
    for character in clean(text):
        assert character.isprintable()
        assert character not in "\x1b\x7f\x9b\u202e\u2066\u200b\u200d\ufe0f\u3164\xa0"


@given(HOSTILE)
def test_one_character_stands_for_one(text: str) -> None:
    assert len(clean(text)) == len(text)


@given(HOSTILE)
def test_clean_text_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_printable_ascii_is_untouched(text: str) -> None:
    assert clean(text) == text


@given(HOSTILE, st.integers(0, 60), st.booleans())
def test_a_fitted_text_takes_exactly_its_cells(text: str, width: int, right: bool) -> None:
    assert cell_len(fit(text, width, right=right)) == width


@given(HOSTILE)
def test_a_character_takes_at_most_two_cells_and_marks_never_pile_up(text: str) -> None:
    assert cell_len(clean(text)) <= 2 * len(text)
    assert 3 * cell_len(clean(text)) >= len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\tb\nc\rd\x00", "a␉b␊c␍d␀"),
        ("\x7f", "␡"),
        ("\x9b2J", f"{REPLACEMENT}2J"),
        ("abc\u202edef", f"abc{REPLACEMENT}def"),
        ("zero\u200bwidth", f"zero{REPLACEMENT}width"),
        ("e\u0301" + "\u0301" * 50, "e\u0301\u0301" + REPLACEMENT * 49),
        ("\u0301first", f"{REPLACEMENT}first"),
        ("Grüße, 世界", "Grüße, 世界"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
        ("no\xa0break", "no break"),
    ],
)
def test_each_kind_of_danger_has_its_sign(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_what_is_cut_off_is_marked() -> None:
    assert fit("abcdefgh", 5) == "abcd…"
    assert fit("abc", 5) == "abc  "
    assert fit("17", 5, right=True) == "   17"
    assert cell_len(fit("漢字漢字", 4)) == 4


def test_header_bytes_are_utf_8_and_else_latin_1() -> None:
    assert from_bytes("café".encode()) == "café"
    assert from_bytes(b"caf\xe9") == "café"
    assert from_latin("/caf\xc3\xa9") == "/café"


@given(st.characters())
def test_every_wide_character_is_known_to_be_wide(character: str) -> None:
    if cell_len(clean(character)) == 2:
        assert may_be_wide(clean(character))
