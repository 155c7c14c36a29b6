r"""Words for a shell: any bytes but NUL as one argument of bash or zsh, printable whatever they hold.

Printable text stands in single quotes. Everything else becomes `$'…'` with `\xNN`, so that neither an escape sequence nor a
right-to-left override reaches the terminal it is pasted into. `'` and `!` are escaped there as well, so that history
expansion, which counts plain quotes, never finds a `!` to expand.
"""

from __future__ import annotations

import shlex

ARGUMENT_LIMIT = 100_000
"""Linux refuses one argument of 128 KiB and more (MAX_ARG_STRLEN); the rest is room for quoting."""

_NAMED = {0x0A: r"\n", 0x0D: r"\r", 0x09: r"\t", 0x5C: r"\\"}
_PRINTABLE = range(0x20, 0x7F)


def quote(raw: bytes) -> str:
    """Give `raw` as one word; NUL, which no argument can hold, is the caller's to keep out."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _dollar(raw)
    return shlex.quote(text) if text.isprintable() else _dollar(raw)


def printf_word(raw: bytes) -> str:
    """Give the word for which `printf` (POSIX) writes exactly `raw`, NUL included; it never looks like an option."""
    return "'" + "".join([_PRINTF[byte] for byte in raw]) + "'"


def _dollar(raw: bytes) -> str:
    return "$'" + "".join([_DOLLAR[byte] for byte in raw]) + "'"


def _dollar_byte(byte: int) -> str:
    if byte in _NAMED:
        return _NAMED[byte]
    return chr(byte) if byte in _PRINTABLE and byte not in b"'!" else f"\\x{byte:02x}"


def _printf_byte(byte: int) -> str:
    if byte == ord("%"):
        return "%%"
    return chr(byte) if byte in _PRINTABLE and byte not in b"'\\!-" else f"\\{byte:03o}"


_DOLLAR = [_dollar_byte(byte) for byte in range(256)]
_PRINTF = [_printf_byte(byte) for byte in range(256)]
