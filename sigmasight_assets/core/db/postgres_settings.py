"""The settings of the embedded PostgreSQL, chosen for this project and this machine."""

from __future__ import annotations

import os
from pathlib import Path

_GIB = 1024**3
# The first that exists is the limit of the container this process runs in.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_SHARED_MEMORY = Path("/dev/shm")


def server_settings(memory: int, *, fsync: bool = True) -> dict[str, str]:
    """Settings by name for a machine with `memory` bytes; without fsync a power cut loses data."""
    roomy = memory >= 4 * _GIB
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "512MB" if roomy else "128MB" if memory >= _GIB else "32MB",
        "work_mem": "64MB" if roomy else "8MB",
        "maintenance_work_mem": "256MB" if roomy else "64MB",
        "max_wal_size": "4GB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "jit": "off",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "dynamic_shared_memory_type": _dynamic_shared_memory_type(),
    }
    if not fsync:
        # Commits stay synchronous: a killed server must lose nothing in tests of faults either.
        settings["fsync"] = "off"
    return settings


def usable_memory() -> int:
    """Bytes of memory of this machine, or of the container where that is less."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CONTAINER_LIMITS:
        if path.is_file():
            limit = path.read_text(encoding="utf-8").strip()
            return min(physical, int(limit)) if limit.isdigit() else physical
    return physical


def _dynamic_shared_memory_type() -> str:
    # Docker gives 64 MB of /dev/shm, and a parallel hash join then fails with "could not resize
    # shared memory segment"; files in the data folder are slower and have no such limit.
    if not _SHARED_MEMORY.is_dir():
        return "posix"
    shared = os.statvfs(_SHARED_MEMORY)
    return "posix" if shared.f_blocks * shared.f_frsize >= _GIB // 2 else "mmap"
