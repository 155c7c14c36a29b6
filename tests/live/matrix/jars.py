"""Libraries of Java, from Maven Central, each told by its digest."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

import msgspec

_REGISTRY = os.environ.get("QTAP_MAVEN", "https://repo1.maven.org/maven2")
_PATIENCE = 30.0


class Jar(msgspec.Struct, frozen=True):
    """One file of the registry."""

    group: str
    name: str
    version: str
    sha256: str
    classifier: str = ""

    @property
    def file(self) -> str:
        return "-".join(filter(None, (self.name, self.version, self.classifier))) + ".jar"

    @property
    def url(self) -> str:
        return f"{_REGISTRY}/{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.file}"


_NETTY, TCNATIVE = "4.1.136.Final", "2.0.84.Final"
NETTY = (
    *(
        Jar("io.netty", name, _NETTY, sha256)
        for name, sha256 in (
            ("netty-buffer", "c88f13fc41156fde5df918c7b240038dfbe97ac57576163f208630391789b5d5"),
            ("netty-codec", "2de4fc13005c7740b46427a47ee04265a19779c147d53e583f441889b1148159"),
            ("netty-codec-http", "ffd1e1b19a533bc6e47ef2cbc1290374ff4a7cb53a280defa3df392538214948"),
            ("netty-common", "e2f73be7ec359b46583ad875521137000eff520bafd320e730846ec9974f3be6"),
            ("netty-handler", "54bb1a59f46a3aefd117942e6acee09e555b756776bad731fc06159d89c2da28"),
            ("netty-resolver", "e64972fec474f5b9bd086b738154d190a923e82c4923ac550aff4f5ea9e98600"),
            ("netty-transport", "b92881ea925721ed42fee5122a42b8bce4b84da737dbc3ca2d84dfaca52c28b6"),
            ("netty-transport-classes-epoll", "f6a0b631b98667f131daf4ca07a9cae1072d58e259dcbc0f8c6a053d843449c6"),
            ("netty-transport-native-unix-common", "7e014c9b13defd9d254d4e5a5edd8ab6dde17533e1152f99699a6b28b2967a8a"),
        )
    ),
    Jar(
        "io.netty",
        "netty-transport-native-epoll",
        _NETTY,
        "c3956f90241582bbbad5612c3159cffeb7c3533324759f3c3bd778ca9b176cae",
        "linux-x86_64",
    ),
    Jar("io.netty", "netty-tcnative-classes", TCNATIVE, "7a4437abf98b0cec053af4443fe321177d2cfccfec7bcad4e7d8b75571bbec4d"),
    Jar(
        "io.netty",
        "netty-tcnative-boringssl-static",
        TCNATIVE,
        "19d7cd7c3081c80ebe417af870e2fe62be1ca5969683d9cd402bb3ebc754d257",
        "linux-x86_64",
    ),
)
CONSCRYPT = {
    version: Jar("org.conscrypt", "conscrypt-openjdk-uber", version, sha256)
    for version, sha256 in (
        ("2.9.0", "2d63bd32716b7e30e946b5ba314c0518f2dfd502875d1366eff6d0d3c67a6ce4"),
        ("2.5.2", "eaf537d98e033d0f0451cd1b8cc74e02d7b55ec882da63c88060d806ba89c348"),
    )
}
"""By version: of 2.5.2 the memory BIOs have names, of 2.9.0 none."""


def fetched(jar: Jar, folder: Path) -> Path:
    """Give the path of `jar` in `folder`, fetched when it is not there; raises OSError, and ValueError for another content."""
    path = folder / jar.file
    if not path.is_file():
        with urllib.request.urlopen(jar.url, timeout=_PATIENCE) as answer:  # noqa: S310 - the registry
            content = answer.read()
        if (found := hashlib.sha256(content).hexdigest()) != jar.sha256:
            raise ValueError(f"{jar.url} has the digest {found}")
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(content)
        part.replace(path)
    return path


@cache
def unreachable() -> str:
    """Say that the registry does not answer; empty when it does."""
    try:
        with urllib.request.urlopen(f"{_REGISTRY}/", timeout=_PATIENCE):  # noqa: S310 - the registry
            return ""
    except urllib.error.HTTPError:
        return ""
    except OSError as error:
        return f"no answer of {_REGISTRY} for the jars (name a mirror in QTAP_MAVEN): {error}"
