"""A network namespace with an interface that leads nowhere, on which every packet to the outside is counted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_INSIDE = "unshare", "--map-root-user", "--net"
_SET_UP = """
set -e
ip link set lo up
ip link add outside type veth peer name far-end
for name in outside far-end; do echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done
ip address add 192.0.2.1/24 dev outside
ip link set outside up
ip link set far-end up
ip route add default dev outside
exec "$@"
"""


def can_isolate() -> bool:
    """Whether this system lets us make a network namespace."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(isolated("true"), check=False, capture_output=True).returncode == 0


def isolated(*command: str) -> list[str]:
    """The command line that runs `command` in a namespace of its own."""
    return [*_INSIDE, "sh", "-c", _SET_UP, "sh", *command]


def packets_to_the_outside() -> int:
    """How many packets this process's namespace has sent to the outside."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "outside":
            return int(counters.split()[9])
    raise LookupError("not in an isolated namespace")
