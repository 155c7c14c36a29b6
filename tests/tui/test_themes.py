"""Theme files: what ships can be read, what is wrong is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color

from qtap_tui import themes
from qtap_tui.palette import ROLES, Palette
from qtap_tui.themes import ThemeError
from tests.tui.driver import running
from tests.tui.synthetic import SyntheticFeed

SHIPPED = ("ansi", "dark", "light")


def contrast(one: Color, other: Color) -> float:
    """WCAG 2.1, contrast ratio."""

    def luminance(color: Color) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_shipped_themes_are_found() -> None:
    assert tuple(sorted(themes.files())) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_theme_has_a_style_for_every_role_on_every_ground(name: str) -> None:
    theme = themes.load(name)
    palette = Palette(theme.to_color_system().generate() | theme.variables, ansi=theme.ansi)
    for ground in ("background", "bar", "cursor"):
        assert set(palette.on(ground)) == set(ROLES)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_text_can_be_read_on_its_ground(name: str) -> None:
    """WCAG 2 asks for a contrast of 4.5 for text."""
    theme = themes.load(name)
    palette = Palette(theme.to_color_system().generate() | theme.variables, ansi=False)
    for ground in ("background", "bar", "cursor"):
        for role, style in palette.on(ground).items():
            assert style.color
            assert style.bgcolor
            ink, paper = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
            assert contrast(ink, paper) >= (3.0 if ground == "cursor" else 4.5), (ground, role)


def test_a_users_theme_comes_before_a_shipped_one() -> None:
    path = themes.user_folder() / "dark.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("primary: '#123456'\n")
    assert themes.load("dark").primary == "#123456"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("primry: red", "primry: no such key"),
        ("primary: reddish", "primary: 'reddish' is not a colour"),
        ("primary: 17", "primary: 17 is not a colour"),
        ("accent: red", "primary is missing"),
        ("primary: red\ndark: maybe", "dark: 'maybe' is not true or false"),
        ("primary: red\ntext_alpha: true", "text_alpha: True is not a number"),
        ("primary: red\nvariables: [a]", "variables: ['a'] is not a mapping"),
        ("primary: red\nvariables:\n  curser: red", "variables.curser: no such variable"),
        ("primary: red\nvariables:\n  cursor: 1.5", "variables.cursor: 1.5 is not a colour"),
        ("primary: red\nansi: true\nvariables:\n  curser: red", "variables.curser: no such variable"),
        ("- red", "is not a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_theme_is_refused_with_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ThemeError) as refused:
        themes.read(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_theme_is_refused_with_those_there_are() -> None:
    with pytest.raises(ThemeError, match="there is no theme 'neon'; there are ansi, dark, light"):
        themes.load("neon")


async def test_the_theme_key_goes_round_and_says_what_is_wrong_with_a_file() -> None:
    write(themes.user_folder(), "primary: reddish")
    async with running(SyntheticFeed().fill(5)) as screen:
        await screen.press("t")
        assert f"theme {screen.app.theme} (to start with it:" in screen.status
        assert screen.app.theme == "light"
        await screen.press("t")
        assert screen.app.theme == "ansi"
        assert "primary: 'reddish' is not a colour" in " ".join(screen.text.replace("▌", " ").split())
        await screen.press("t")
        assert screen.app.theme == "dark"


async def test_without_colour_everything_is_told_by_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(SyntheticFeed().fill(14), theme="ansi") as screen:
        filters = screen.app._filters  # noqa: SLF001 - what stands between strips and the terminal
        strips = [strip.apply_filter(each, Color(0, 0, 0)) for strip in screen.strips() for each in filters if each.enabled]
        assert strips
        for strip in strips:
            for segment in strip:
                if segment.style is not None:
                    assert segment.style.color is None or segment.style.color.is_default
                    assert segment.style.bgcolor is None or segment.style.bgcolor.is_default
        assert any(segment.style and segment.style.reverse for strip in strips for segment in strip)
