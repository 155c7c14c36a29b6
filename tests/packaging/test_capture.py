"""What would be published captures, installed where nothing of the checkout is."""

from __future__ import annotations

import subprocess

import pytest

from tests.live.program import Capture, body_of, is_server
from tests.live.servers import recorder
from tests.packaging.conftest import Installed


@pytest.mark.live
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_the_installed_program_captures_a_request(installed: Installed, kind: str) -> None:
    with recorder() as server, Capture(program=installed(kind)) as capture:
        subprocess.run(["curl", "--silent", "--data", "by itself", f"{server.url}/installed"], check=True, capture_output=True)
        found = capture.wait_for(2, lambda _: True)
    for seen in found:
        assert (seen["request"]["method"], seen["request"]["path"], seen["response"]["status"]) == ("POST", "/installed", 200)
        assert body_of(seen["response"]) == b"by itself"
    assert sorted(map(is_server, found)) == [False, True]
