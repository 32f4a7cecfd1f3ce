"""The node reports the address at which a guest is reached, whatever it calls itself behind the NAT."""

from __future__ import annotations

import pytest

from pvekit.lab.vm.agent import translated

MAC = "BC:24:11:00:00:01"


@pytest.mark.parametrize(
    ("mac", "inside", "outside"),
    [
        (MAC.lower(), "10.0.2.15", "127.77.0.200"),
        (MAC.lower(), "192.168.1.50", "127.77.0.200"),
        (MAC.lower(), "169.254.3.4", "169.254.3.4"),
        (MAC.lower(), "fe80::1", "fe80::1"),
        ("02:42:00:00:00:01", "172.17.0.1", "172.17.0.1"),
    ],
)
def test_translation(mac: str, inside: str, outside: str) -> None:
    answer = [{"name": "eth0", "hardware-address": mac, "ip-addresses": [{"ip-address": inside, "prefix": 24}]}]
    assert translated(answer, 200, MAC)[0]["ip-addresses"][0]["ip-address"] == outside
