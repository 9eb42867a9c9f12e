"""Memory limits of the control groups (containers) of this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

# Pages of files: the kernel drops them when memory is short, so they don't count as used.
_FILE_PAGES = ("inactive_file", "active_file")


def memory_limits(root: Path = Path("/")) -> Iterator[tuple[int, int]]:
    """(limit, used) in bytes of each limited control group above this process, versions 1 and 2.

    Inside a container the path in /proc/self/cgroup may be outside the mount: then the root of the mount is used.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # this system has no control groups
        return
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, limit, used, prefix = mount, "memory.max", "memory.current", ""
        elif "memory" in controllers.split(","):
            base, limit, used = mount / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            prefix = "total_"  # totals include child groups
        else:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            pair = _limit_and_usage(folder / limit, folder / used, folder / "memory.stat", prefix)
            if pair is not None:
                yield pair
            if folder == base:
                break


def _limit_and_usage(limit: Path, used: Path, stat: Path, prefix: str) -> tuple[int, int] | None:
    try:
        allowed = int(limit.read_text(encoding="ascii"))
        taken = int(used.read_text(encoding="ascii"))
        counts = dict(line.split() for line in stat.read_text(encoding="ascii").splitlines())
        reclaimable = sum(int(counts.get(prefix + name, "0")) for name in _FILE_PAGES)
    except (OSError, ValueError):  # missing, or "max": no limit
        return None
    return allowed, max(0, taken - reclaimable)
