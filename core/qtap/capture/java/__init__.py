"""Plaintext of Java's own TLS (JSSE, JDK 11 and newer): an agent inside each JVM, loaded while somebody captures and only then.

There is no library to probe: JSSE is bytecode, compiled by the JVM where it likes. So an agent (`agent/`, a jar of 14 KB that
needs nothing else) redirects the four calls through which JSSE passes plaintext, and tells of it by write(2) to /dev/null,
where the kernel side reads it (`bpf/jsse.bpf.c`). A process can tell so of its own connections only: its number and its sockets
are the kernel's word, and the kernel side listens only to processes into which an agent was loaded.

`jvm` finds JVMs and says which cannot be asked; `attach` speaks HotSpot's attach protocol; `agents` loads and unloads; `jar`
makes the jar.
"""

from __future__ import annotations
