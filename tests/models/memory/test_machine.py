"""How much memory there is: control groups, processes, GPUs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.models.memory import gpus, machine
from app.models.memory.gpus import GpuMemory, first_visible, has_gpu
from app.models.memory.machine import DeviceMemory, Machine

MIB = 1 << 20
SMI = "0, GPU-8932f937-d72c, 81559, 80994\n1, GPU-11e2f0c1-0b6a, 24576, 1024\n"


@pytest.fixture(autouse=True)
def ample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with more RAM than any control group here allows."""
    memory = psutil.virtual_memory()._replace(total=4000 * MIB, available=3000 * MIB)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: memory)


def control_group(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_control_groups_version_2(tmp_path: Path) -> None:
    root = control_group(
        tmp_path,
        "0::/user/app\n",
        {
            "user/app/memory.max": "max\n",
            "user/memory.max": f"{900 * MIB}\n",  # the parent's limit counts
            "user/memory.current": f"{500 * MIB}\n",
            "user/memory.stat": f"anon 1\ninactive_file {60 * MIB}\nactive_file {40 * MIB}\n",
        },
    )
    assert Machine(root).memory().ram == DeviceMemory(900 * MIB, 500 * MIB)


def test_control_groups_version_1_inside_a_container(tmp_path: Path) -> None:
    """The kernel names a path of the host, which is not mounted: the mount's top is this container's own."""
    root = control_group(
        tmp_path,
        "5:cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n",
        {
            "memory/memory.limit_in_bytes": f"{300 * MIB}\n",
            "memory/memory.usage_in_bytes": f"{250 * MIB}\n",
            "memory/memory.stat": f"total_inactive_file {50 * MIB}\n",
        },
    )
    assert Machine(root).memory().ram == DeviceMemory(300 * MIB, 100 * MIB)


def test_over_the_limit_is_nothing_left_and_no_group_is_the_machine(tmp_path: Path) -> None:
    full = control_group(
        tmp_path / "full",
        "0::/\n",
        {"memory.max": f"{MIB}", "memory.current": f"{2 * MIB}", "memory.stat": "inactive_file 0\n"},
    )
    assert Machine(full).memory().ram == DeviceMemory(MIB, 0)
    assert Machine(tmp_path / "none").memory().ram == DeviceMemory(4000 * MIB, 3000 * MIB)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[int]:
    """Has 64 MiB of its own, and reads 64 MiB of a file through a mapping."""
    (tmp_path / "weights").write_bytes(bytes(64 * MIB))
    script = (
        "import mmap, sys\n"
        "own = bytearray(64 << 20); own[::4096] = b'x' * len(own[::4096])\n"
        "file = open(sys.argv[1], 'rb'); mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "sum(mapped[::4096]); print('ready', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, tmp_path / "weights"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        yield child.pid


def test_a_process_holds_its_own_pages_but_not_those_of_files(process: int) -> None:
    assert 64 * MIB < Machine().resident_bytes(process) < 100 * MIB


def test_a_process_that_has_ended_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert Machine().resident_bytes(child.pid) == 0


# GPUs


@pytest.fixture
def nvidia(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    return tmp_path


def test_a_gpu_counts_where_pytorch_was_built_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(build: str) -> bool:
        monkeypatch.setattr(gpus, "version", lambda _name: build)
        monkeypatch.setattr(gpus.importlib.util, "find_spec", lambda _name: object())
        return has_gpu.__wrapped__(tmp_path)

    assert not found("2.13.0")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    assert found("2.13.0")
    assert found("2.13.0+cu130")
    assert not found("2.13.0+cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not found("2.13.0")


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, "0"),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, "1"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-11e2"}, "GPU-11e2"),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
        ({"HIP_VISIBLE_DEVICES": "-1"}, None),
    ],
)
def test_pytorch_takes_the_first_that_it_may_see(environment: dict[str, str], first: str | None) -> None:
    assert first_visible(environment) == first


@pytest.mark.parametrize(
    ("environment", "total_and_free"),
    [
        ({}, (81559 * MIB, 80994 * MIB)),
        ({"CUDA_VISIBLE_DEVICES": "1"}, (24576 * MIB, 1024 * MIB)),
        ({"CUDA_VISIBLE_DEVICES": "GPU-11e2"}, (24576 * MIB, 1024 * MIB)),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
        ({"CUDA_VISIBLE_DEVICES": "MIG-5"}, None),  # a part of a GPU, which nvidia-smi does not tell so
    ],
)
def test_nvidia_gpus(nvidia: Path, environment: dict[str, str], total_and_free: tuple[int, int] | None) -> None:
    assert GpuMemory(nvidia, environment, run=lambda: SMI).read() == total_and_free


def test_amd_gpus(tmp_path: Path) -> None:
    for card, total, used in (("card0", 512, 100), ("card2", 16384, 1000), ("card10", 24576, 0)):
        device = tmp_path / "sys/class/drm" / card / "device"
        device.mkdir(parents=True)
        (device / "mem_info_vram_total").write_text(f"{total * MIB}\n")
        (device / "mem_info_vram_used").write_text(f"{used * MIB}\n")
    assert GpuMemory(tmp_path, {}).read() == (512 * MIB, 412 * MIB)
    assert GpuMemory(tmp_path, {"HIP_VISIBLE_DEVICES": "1"}).read() == (16384 * MIB, 15384 * MIB)
    assert GpuMemory(tmp_path, {"HIP_VISIBLE_DEVICES": "2"}).read() == (24576 * MIB, 24576 * MIB)
    assert GpuMemory(tmp_path, {"HIP_VISIBLE_DEVICES": "3"}).read() is None


def test_a_gpu_is_read_once_a_second_and_anew_after_a_change(nvidia: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, runs = 100.0, 0

    def run() -> str:
        nonlocal runs
        runs += 1
        return SMI

    monkeypatch.setattr(gpus.time, "monotonic", lambda: now)
    memory = GpuMemory(nvidia, {}, run=run)
    for _ in range(3):
        memory.read()
    assert runs == 1
    memory.forget()
    memory.read()
    assert runs == 2
    now += 1.1
    memory.read()
    assert runs == 3


@pytest.mark.parametrize(
    "trouble", [FileNotFoundError("nvidia-smi"), subprocess.TimeoutExpired("nvidia-smi", 5), "0, GPU-1, [N/A], [N/A]\n"]
)
def test_a_gpu_that_cannot_be_read_is_told_once(
    nvidia: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str | Exception
) -> None:
    now, runs = 100.0, 0

    def run() -> str:
        nonlocal runs
        runs += 1
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    monkeypatch.setattr(gpus.time, "monotonic", lambda: now)
    memory = GpuMemory(nvidia, {}, run=run)
    for _ in range(3):
        assert memory.read() is None
        memory.forget()
        now += 2.0
    assert runs == 1  # a driver that does not answer is not asked each second
    now += 60.0
    assert memory.read() is None
    assert runs == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "counted in RAM" in caplog.text
