"""OpenSSL 1.0 and 1.1 in a file without symbols: found by the numbers that its functions give themselves.

They report an error by library, function and reason (ERR_put_error), and a function's number never changes within a series
(include/openssl/sslerr.h; until 1.0.2 ssl.h): 1.1.1 has internal ones for reading and writing, and earlier ones do not.
"""

from __future__ import annotations

from collections import defaultdict

from qtap.capture.bio import unnamed_bio_points
from qtap.capture.elf import X86_64, Elf
from qtap.capture.probe import ProbePoint, point_at
from qtap.capture.references import Functions, constants

_SOURCE = b"ssl_lib.c"
_ESI, _EDI = 6, 7
"""Of the second and the first argument."""
_LIBRARY = 20
"""ERR_LIB_SSL."""
_INTERNAL = {
    523: ("ssl_read_internal", "ssl_enter_4", "ssl_leave_read"),
    524: ("ssl_write_internal", "ssl_enter_4", "ssl_leave_write"),
}
_PUBLIC = {223: ("SSL_read", "ssl_enter", "ssl_leave_read"), 208: ("SSL_write", "ssl_enter", "ssl_leave_write")}
_OTHERS = {
    522: ("ssl_peek_internal", "ssl_enter_silent", "ssl_leave_silent"),
    186: ("SSL_new", "", "new_ssl"),
}


def openssl1_points(elf: Elf) -> list[ProbePoint]:
    """Give the probe points of an OpenSSL 1 without symbols; none where they are not sure; raises ElfError."""
    functions = Functions(elf)
    by_number: dict[int, set[int]] = defaultdict(set)
    for start, code in functions.of_source(_SOURCE).items() if elf.machine == X86_64 else ():
        for number in constants(code, _ESI) if _LIBRARY in constants(code, _EDI) else ():
            by_number[number].add(start)
    sure = {number: starts.pop() for number, starts in by_number.items() if len(starts) == 1}
    sure = {number: start for number, start in sure.items() if functions.is_whole(start)}
    wanted = next((names for names in (_INTERNAL, _PUBLIC) if sure.keys() >= names.keys()), None)
    if wanted is None:
        return []
    points = [
        point_at(elf, names[0], sure[number], *names[1:]) for number, names in (wanted | _OTHERS).items() if number in sure
    ]
    return points + unnamed_bio_points(elf, twins=wanted is _INTERNAL)
