"""Running one command in one guest."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.kernels.image import initramfs
from tests.kernels.packages import Kernel

_SILENCE = 600.0
"""Seconds without output after which a guest is given up."""
_MACHINE = (
    "qemu-system-x86_64",
    *("-accel", "tcg,thread=multi", "-cpu", "Westmere", "-smp", "2", "-m", "3G"),
    *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
    *("-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"),
    *("-device", "virtio-9p-pci,fsdev=host,mount_tag=host"),
    *("-chardev", "stdio,id=output,signal=on", "-serial", "chardev:output"),
)
# A panic ends the guest, since it asks for a reboot. On a busy host its timer comes too late for the check that one comes.
# Time comes from the processor's counter, because a device's costs an exit. Memory need not be cleared twice.
_BOOT = (
    "console=ttyS0 quiet loglevel=4 panic=-1 no_timer_check nokaslr mitigations=off"
    " init_on_alloc=0 tsc=reliable clocksource=tsc nowatchdog"
)


class GuestError(Exception):
    """The guest ended without the command's exit status; the text is one sentence."""


def run(kernel: Kernel, command: str) -> int:
    """Run a shell script as root in this host's files under `kernel`, its output to ours; give its exit status.

    Raises GuestError and PackageError.
    """
    with tempfile.TemporaryDirectory(prefix="qtap-guest-") as name:
        folder = Path(name)
        (folder / "initramfs").write_bytes(initramfs(kernel, command))
        files: list[str | Path] = ["-kernel", kernel.image, "-initrd", folder / "initramfs", "-append", _BOOT]
        status = ["-chardev", f"file,id=status,path={folder / 'status'}", "-serial", "chardev:status"]
        try:
            silent = _watched([*_MACHINE, *files, *status])
        except OSError as error:
            raise GuestError(f"qemu does not start: {error}") from None
        told = (folder / "status").read_text().strip() if (folder / "status").exists() else ""
    if not told.isdigit():
        why = f"said nothing for {_SILENCE:.0f} seconds" if silent else "stopped by itself"
        raise GuestError(f"Linux {kernel.release} {why} before the command ended")
    return int(told)


def _watched(command: list[str | Path]) -> bool:
    """Run qemu and pass on what it says; tell whether it was ended because it said nothing."""
    silent = threading.Event()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None

        def give_up() -> None:
            silent.set()
            process.kill()

        watch = threading.Timer(_SILENCE, give_up)
        watch.start()
        try:
            while said := os.read(process.stdout.fileno(), 65536):
                sys.stdout.buffer.write(said)
                sys.stdout.buffer.flush()
                watch.cancel()
                watch = threading.Timer(_SILENCE, give_up)
                watch.start()
        finally:
            watch.cancel()
            process.kill()
    return silent.is_set()
