"""Other kernels than this host's: Debian's, booted by qemu without KVM, with this host's files as their own.

A guest sees `/` of the host through 9p, and what it writes goes to memory and is gone with it. Nothing is installed, no disk
image is made, and the guest has no network but loopback. `python -m tests.kernels --help` is the command.
"""
