"""rustls 0.21 and 0.23, which programs carry in their own file: by symbols, which cargo leaves in a release build.

Rust's names end in a hash of their own in every build (legacy mangling) or tell it within (v0, RFC 2603), and a generic
function is there once for clients, once for servers, and in as many copies as the compiler's units. So all that fit are
taken. Which functions are left to probe, the inliner decides: of each group below a program must have one whole set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qtap.capture.elf import X86_64, Elf, Symbol
from qtap.capture.elf_file import find_in_turns
from qtap.capture.probe import ProbePoint, TlsLibrary, probe_point

_PROGRAMS = {
    "drop_in_place": ("rustls_drop", ""),
    "ChunkVecBuffer::is_full": ("rustls_begin_read", ""),
    "DeframerVecBuffer::read": ("rustls_enter_receive", "rustls_leave_receive"),
    "MessageDeframer::read": ("rustls_enter_receive", "rustls_leave_receive"),
    "MessageDecrypter::decrypt": ("rustls_decrypt", ""),
    "CommonState::process_main_protocol": ("rustls_processed", ""),
    "CommonState::take_received_plaintext": ("rustls_decrypted", ""),
    "CommonState::send_msg": ("rustls_common", ""),
    "CommonState::buffer_plaintext": ("rustls_common", ""),
    "CommonState::send_some_plaintext": ("rustls_common", ""),
    "MessageEncrypter::encrypt": ("rustls_encrypt", ""),
    "ChunkVecBuffer::write_to": ("rustls_enter_send", "rustls_leave_send"),
    "Reader::into_first_chunk": ("rustls_enter_chunk", "rustls_leave_chunk"),
    "ChunkVecBuffer::consume_first_chunk": ("rustls_consume", ""),
    "Read::read": ("rustls_enter_read", "rustls_leave_read"),
    "PlaintextSink::write": ("rustls_enter_write", "rustls_leave_write"),
    "PlaintextSink::write_vectored": ("rustls_enter_vectored", "rustls_leave_vectored"),
}
"""What runs at each function, by its last two names; the type comes first, or the trait where it is a trait's.

Probes are set in this order: what is written is seen only when all that is read is.
"""
_NEEDED = (
    (("ChunkVecBuffer::is_full", "ChunkVecBuffer::write_to", "CommonState::send_msg"),),
    (("MessageEncrypter::encrypt", "MessageDecrypter::decrypt"),),
    (("CommonState::take_received_plaintext",), ("CommonState::process_main_protocol",)),
    (("DeframerVecBuffer::read",), ("MessageDeframer::read",)),
    (("CommonState::buffer_plaintext",), ("CommonState::send_some_plaintext",)),
    (("PlaintextSink::write", "PlaintextSink::write_vectored"),),
    (("Read::read",), ("Reader::into_first_chunk", "ChunkVecBuffer::consume_first_chunk")),
)
"""The socket, the ciphers, whose they are, the ciphertext that comes, the plaintext that goes, and that which is read."""
_LEGACY = re.compile(
    r"_ZN(?:6rustls.*?|\d+_\$LT\$rustls\.\.conn\.\..*?)"
    r"(?P<type>\d+[A-Za-z]+|PlaintextSink\$GT\$|Reader\$u20\$as\$u20\$std\.\.io\.\.Read\$GT\$)"
    r"(?P<function>\d+[a-z_]+)17h[0-9a-f]{16}E(?:\.llvm\.\d+)?"
)
_LEGACY_CIPHER = re.compile(
    r"_ZN\d+_\$LT\$(?!.*\.\.InvalidMessage).*\$u20\$as\$u20\$rustls\.\.(?:crypto\.\.)?cipher\.\."
    r"(?P<type>Message(?:Encrypter|Decrypter)\$GT\$)(?P<function>7(?:encrypt|decrypt))17h[0-9a-f]{16}E(?:\.llvm\.\d+)?"
)
"""Of any provider of cryptography, whatever crate it is."""
_V0 = re.compile(r"_R\w*?6rustls\w*?(?P<type>\d+[A-Za-z]+)(?P<function>\d+[a-z_]+)(?:[BC]\w*)?(?:\.llvm\.\d+)?")
_PROCESS_V0 = re.compile(r"_RI\w*?6rustls\w*?(?P<type>11CommonState)(?P<function>21process_main_protocol)[BCN]\w*")
"""A generic function, whose name is followed by its types."""
_READER = re.compile(r"_R\w*?6rustls4conn\w*?6ReaderNt\w*?4Read4read(?:[BC]\w*)?(?:\.llvm\.\d+)?")
_DROP = re.compile(
    r"(?:_ZN4core3ptr\d+drop_in_place\$LT\$rustls\.\.common_state\.\.CommonState\$GT\$17h[0-9a-f]{16}E"
    r"|_RI\w*13drop_in_placeI?N\w*?6rustls12common_state11CommonStateE(?:[BC]\w*)?)"
    r"(?:\.llvm\.\d+)?"
)
_ENDS = (
    b"drop_in_place$LT$rustls..common_state..CommonState$GT$", b"12common_state11CommonStateE",
    b"14ChunkVecBuffer7is_full", b"14ChunkVecBuffer8write_to", b"14ChunkVecBuffer19consume_first_chunk",
    b"17DeframerVecBuffer4read", b"15MessageDeframer4read", b"11CommonState8send_msg", b"11CommonState16buffer_plaintext",
    b"11CommonState19send_some_plaintext", b"11CommonState23take_received_plaintext",
    b"11CommonState21process_main_protocol", b"6Reader16into_first_chunk",
    b"MessageEncrypter$GT$7encrypt", b"MessageDecrypter$GT$7decrypt", b"16MessageEncrypter7encrypt",
    b"16MessageDecrypter7decrypt",
    b"PlaintextSink$GT$5write", b"PlaintextSink$GT$14write_vectored", b"13PlaintextSink5write",
    b"13PlaintextSink14write_vectored",
    b"Reader$u20$as$u20$std..io..Read$GT$4read", b"4Read4read",
)  # fmt: skip
"""What the names of these functions hold, in both manglings."""
_NAME_LIMIT = 1024
_COPIES = 65536
_SOURCE = re.compile(rb"/rustls(?:-[0-9][0-9A-Za-z.+-]{0,40})?/src/[a-z0-9_/]{1,60}\.rs")
"""A source file's path, which the text of a panic names."""
_PIECE, _OVERLAP, _SEARCHED = 1 << 20, 256, 1 << 26


def function_of(name: str) -> str:
    """Give the key of `_PROGRAMS` that a symbol's name is of; empty when it is none of them."""
    if _READER.fullmatch(name):
        return "Read::read"
    if _DROP.fullmatch(name):
        return "drop_in_place"
    found = _LEGACY.fullmatch(name) or _LEGACY_CIPHER.fullmatch(name) or _PROCESS_V0.fullmatch(name) or _V0.fullmatch(name)
    if not found or "14InvalidMessage" in name or "23InvalidMessage" in name:
        return ""
    if found["type"] == "4Read":
        return ""  # of another Reader
    kind = "Read" if found["type"].startswith("Reader$") else found["type"].removesuffix("$GT$").lstrip("0123456789")
    key = f"{kind}::{found['function'].lstrip('0123456789')}"
    return key if key in _PROGRAMS else ""


def probe_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of a program with rustls, none when it lacks one that is needed; raises ElfError."""
    if elf.machine != X86_64:
        return []
    symbols = elf.copies(_names)
    if _missing(symbols):
        return []
    order = {name: at for at, name in enumerate(_PROGRAMS)}
    symbols.sort(key=lambda symbol: order[function_of(symbol.name)])
    return [probe_point(elf, symbol, *_PROGRAMS[function_of(symbol.name)]) for symbol in symbols]


def _missing(symbols: list[Symbol]) -> list[str]:
    """Give what the program would have to have besides."""
    there = {function_of(symbol.name) for symbol in symbols}
    lacking = [
        [[name for name in names if name not in there] for names in ways]
        for ways in _NEEDED
        if not any(there.issuperset(names) for names in ways)
    ]
    return [name for ways in lacking for name in ways[0]]


def _names(strings: bytes) -> set[str]:
    if b"rustls" not in strings:
        return set()
    found = (name.decode("ascii", "replace") for end in _ENDS for name in _holding(strings, end))
    return {name for name in found if function_of(name)}


def _holding(strings: bytes, part: bytes) -> Iterator[bytes]:
    """Give the strings that hold `part`."""
    at = -1
    for _ in range(_COPIES):
        at = find_in_turns(strings, part, at + 1)
        if at < 0:
            return
        start = strings.rfind(b"\0", max(0, at - _NAME_LIMIT), at) + 1
        end = strings.find(b"\0", at, at + _NAME_LIMIT)
        if start and end >= 0:
            yield strings[start:end]


def absence(elf: Elf) -> str:
    """Say why the plaintext of a program that has rustls is not seen; empty when it has none. Raises ElfError."""
    if not _is_rust(elf) or not _holds_source(elf):
        return ""
    if elf.machine != X86_64:
        return "the plaintext of rustls is seen on x86-64 only"
    symbols = elf.copies(_names)
    if elf.stripped or not symbols:
        return "it has rustls without the symbols that name its functions (build it without `strip`)"
    return f"its build has inlined functions of rustls that carry plaintext ({', '.join(_missing(symbols))})"


def _is_rust(elf: Elf) -> bool:
    comments = [section for section in elf.sections if section.name == ".comment"]
    return any(b"rustc" in elf.read(section.offset, min(section.size, 4096)) for section in comments)


def _holds_source(elf: Elf) -> bool:
    for section in elf.sections:
        if section.name == ".rodata":
            for at in range(0, min(section.size, _SEARCHED), _PIECE):
                piece = elf.read(section.offset + at, min(_PIECE + _OVERLAP, section.size - at))
                if _SOURCE.search(piece):
                    return True
    return False


RUSTLS = TlsLibrary(name="rustls", in_executables=True, probe_points=probe_points, absence=absence)
