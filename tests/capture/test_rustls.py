"""Which symbols of a Rust program are rustls's: names as rustc 1.95 mangles them, of rustls 0.21 and 0.23."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from qtap.capture.elf import Elf
from qtap.capture.rustls import absence, function_of, probe_points

_HASH = "17h5bebff5d3a41689bE"
_SINK = "$LT$rustls..conn..ConnectionCommon$LT$T$GT$$u20$as$u20$rustls..conn..{}PlaintextSink$GT$"
_CIPHER = "$LT${0}Message{2}$u20$as$u20$rustls..{1}cipher..Message{2}$GT$"
_RING = ("rustls..crypto..ring..tls13..Tls13", "crypto..", "Encrypter")
_OTHER_CRATE = ("rustls_openssl..tls12..Gcm", "crypto..", "Decrypter")
_V0 = "NtCsfPHGGakQ2mz_6rustls"
_SINK_V0 = f"_RNvXs7_Nt{_V0}4conn10connectionINtB7_16ConnectionCommonNtNtNtB9_6server11server_conn20ServerConnectionDataE"
_DATA = "$LT$rustls..server..server_conn..ServerConnectionData$GT$"
FUNCTIONS = {
    f"_ZN99_{_SINK.format('connection..')}5write{_HASH}": "PlaintextSink::write",
    f"_ZN99_{_SINK.format('connection..')}14write_vectored{_HASH}": "PlaintextSink::write_vectored",
    f"_ZN87_{_SINK.format('')}5write{_HASH}.llvm.949245482286876297": "PlaintextSink::write",
    f"_ZN87_{_SINK.format('')}5flush{_HASH}": "",
    f"_ZN54_$LT$rustls..conn..Reader$u20$as$u20$std..io..Read$GT$4read{_HASH}": "Read::read",
    f"_ZN66_$LT$rustls..conn..connection..Reader$u20$as$u20$std..io..Read$GT$4read{_HASH}": "Read::read",
    f"_ZN61_$LT$ureq..response..ErrorReader$u20$as$u20$std..io..Read$GT$4read{_HASH}": "",
    f"_ZN6rustls4conn10connection6Reader16into_first_chunk{_HASH}": "Reader::into_first_chunk",
    f"_ZN6rustls6vecbuf14ChunkVecBuffer7is_full{_HASH}": "ChunkVecBuffer::is_full",
    f"_ZN6rustls6vecbuf14ChunkVecBuffer8write_to{_HASH}": "ChunkVecBuffer::write_to",
    f"_ZN6rustls4msgs8deframer15MessageDeframer4read{_HASH}": "MessageDeframer::read",
    f"_ZN6rustls4msgs8deframer7buffers17DeframerVecBuffer4read{_HASH}": "DeframerVecBuffer::read",
    f"_ZN6rustls12common_state11CommonState8send_msg{_HASH}": "CommonState::send_msg",
    f"_ZN6rustls12common_state11CommonState16buffer_plaintext{_HASH}": "CommonState::buffer_plaintext",
    f"_ZN6rustls12common_state11CommonState16send_msg_encrypt{_HASH}": "",
    f"_ZN6rustls6server11server_conn14EarlyDataState23take_received_plaintext{_HASH}": "",
    f"_ZN6rustls12common_state11CommonState23take_received_plaintext{_HASH}": "CommonState::take_received_plaintext",
    f"_ZN6rustls12common_state11CommonState21process_main_protocol{_HASH}": "CommonState::process_main_protocol",
    f"_ZN111_{_CIPHER.format(*_RING)}7encrypt{_HASH}": "MessageEncrypter::encrypt",
    f"_ZN95_{_CIPHER.format('rustls..tls12..cipher..Gcm', '', 'Decrypter')}7decrypt{_HASH}": "MessageDecrypter::decrypt",
    f"_ZN99_{_CIPHER.format(*_OTHER_CRATE)}7decrypt{_HASH}": "MessageDecrypter::decrypt",
    f"_ZN99_{_CIPHER.format('rustls..crypto..cipher..Invalid', 'crypto..', 'Encrypter')}7encrypt{_HASH}": "",
    f"_ZN97_{_CIPHER.format(*_RING)}21encrypted_payload_len{_HASH}": "",
    f"_ZN4core3ptr55drop_in_place$LT$rustls..common_state..CommonState$GT${_HASH}": "drop_in_place",
    f"_ZN4core3ptr98drop_in_place$LT$rustls..conn..ConnectionCommon{_DATA}$GT${_HASH}": "",
    f"_ZN4core3ptr42drop_in_place$LT$rustls..error..Error$GT${_HASH}": "",
    f"_RNvMN{_V0}12common_stateNtB2_11CommonState8send_msg": "CommonState::send_msg",
    f"_RNvMs_N{_V0}6vecbufNtB4_14ChunkVecBuffer7is_full": "ChunkVecBuffer::is_full",
    f"_RINvM{_V0}12common_stateNtB3_11CommonState21process_main_protocolNtNtNtB5_6server11server_conn20ServerConnectionDataECs"
    "8C70dbD7c9e_6server": "CommonState::process_main_protocol",
    f"_RINvNtCsgEmfK2I1SDS_4core3ptr13drop_in_placeN{_V0}12common_state11CommonStateECs8C70dbD7c9e_6server": "drop_in_place",
    f"_RNvXs2_NtNtN{_V0}6crypto4ring5tls13NtB5_21Tls13MessageEncrypterNtNtB9_6cipher16MessageEncrypter7encrypt": (
        "MessageEncrypter::encrypt"
    ),
    f"_RNvXs3_NtN{_V0}6crypto6cipherNtB5_23InvalidMessageEncrypterNtB5_16MessageEncrypter7encrypt": "",
    f"{_SINK_V0}NtB5_13PlaintextSink5writeCs8C70dbD7c9e_6server": "PlaintextSink::write",
    f"{_SINK_V0}NtB5_13PlaintextSink14write_vectoredCs8C70dbD7c9e_6server": "PlaintextSink::write_vectored",
    f"_RNvXs2_Nt{_V0}4conn10connectionNtB5_6ReaderNtNtCsjrHSEGnQ3l9_3std2io4Read4read": "Read::read",
    f"_RNvXs_N{_V0}6streamINtB4_6StreamNtB6_6client16ClientConnectionENtNtCsjrHSEGnQ3l9_3std2io4Read4readB1T_": "",
}


@pytest.mark.parametrize(("name", "function"), FUNCTIONS.items())
def test_a_name_tells_the_function(name: str, function: str) -> None:
    assert function_of(name) == function


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a program of C that has the names of rustls's functions, a copy of one, and a path of its source."""
    folder = tmp_path_factory.mktemp("rustls")
    names = [name for name, function in FUNCTIONS.items() if function and name.startswith("_ZN") and ".llvm" not in name]
    lines = [f'int f{at}(void) __asm__("{name}"); int f{at}(void) {{ return {at}; }}' for at, name in enumerate(names)]
    sink = next(name for name in names if "5write17" in name)
    copy = f'static int again(void) __asm__("{sink}"); __attribute__((used)) static int again(void) {{ return -1; }}'
    (folder / "copy.c").write_text(copy)
    text = 'const char path[] = "/registry/src/rustls-0.23.46/src/conn.rs"; __asm__(".ident \\"rustc version 1.95.0\\"");'
    (folder / "main.c").write_text("\n".join([text, *lines, "int main(void) { return path[0]; }"]))
    command: list[str | Path] = ["cc", "-O1", "-o", folder / "program", folder / "main.c", folder / "copy.c"]
    subprocess.run(command, check=True)
    return folder / "program"


def test_every_copy_of_a_function_has_its_probe(program: Path) -> None:
    with Elf(program) as elf:
        points = probe_points(elf)
    writes = [point.offset for point in points if point.enter == "rustls_enter_write"]
    assert len(set(writes)) == len(writes) == 2
    assert points[-1].enter in ("rustls_enter_write", "rustls_enter_vectored")


def test_a_program_without_symbols_says_so(program: Path, tmp_path: Path) -> None:
    stripped = shutil.copy(program, tmp_path / "stripped")
    subprocess.run(["strip", stripped], check=True)
    with Elf(stripped) as elf:
        assert probe_points(elf) == []
        assert "without the symbols" in absence(elf)


def test_what_was_inlined_is_named(program: Path, tmp_path: Path) -> None:
    lacking = tmp_path / "lacking"
    name = f"_ZN6rustls6vecbuf14ChunkVecBuffer7is_full{_HASH}"
    subprocess.run(["objcopy", "--strip-symbol", name, program, lacking], check=True)
    with Elf(lacking) as elf:
        assert probe_points(elf) == []
        assert "(ChunkVecBuffer::is_full)" in absence(elf)


def test_other_programs_hold_none() -> None:
    with Elf("/bin/sh") as elf:
        assert (probe_points(elf), absence(elf)) == ([], "")
