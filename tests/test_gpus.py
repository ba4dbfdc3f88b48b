"""NVIDIA's GPUs as the driver tells of them, and that none stands idle without a word.

There is no GPU in any of these tests, but files and programs as a driver would have put them there.
"""

import json
from pathlib import Path

import pytest
from films import Video, film
from runs import QUICK, vsr_here
from small_networks import noise

from vsr.backends import gpus
from vsr.backends.base import BackendReport, OutOfMemoryError
from vsr.backends.gpus import Gpu, Load, gpu_load, gpu_names, nvidia_gpus, parse_nvidia_smi
from vsr.backends.hints import advised
from vsr.backends.select import (
    BACKENDS,
    backend_for_pictures,
    build_engine,
    candidates,
    expects_gpu,
)
from vsr.cli.doctor import cache_words, gpu_lines
from vsr.errors import BackendError
from vsr.frame import FrameFormat
from vsr.networks.classical import classical
from vsr.settings import EngineSettings

INFORMATION = """\
Model: 		 NVIDIA Test 9000
IRQ:   		 42
GPU UUID: 	 {uuid}
Video BIOS: 	 96.00.74.00.01
Bus Type: 	 PCIe
"""
VERSION = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root@x)
GCC version:  gcc version 12.2.0
"""
UUID = "GPU-01234567-89ab-cdef-0123-456789abcdef"
NEAREST, FORM = classical("nearest", 2), FrameFormat(48, 36)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What /proc/driver/nvidia would be; the only one to tell of a GPU."""
    folder = tmp_path / "nvidia"
    card = folder / "gpus" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text(INFORMATION.format(uuid=UUID))
    (folder / "version").write_text(VERSION)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpus, "DRIVER", folder)
    return folder


# Who tells what.


def test_the_kernel_tells_the_name_and_the_driver(driver: Path) -> None:
    [gpu] = nvidia_gpus()
    assert gpu == Gpu("NVIDIA Test 9000", UUID, None, None, "580.65.06")
    told = "compute capability not told, memory not told, driver 580.65.06"
    assert str(gpu) == f"NVIDIA Test 9000, {told}"
    assert gpu_names() == ["NVIDIA Test 9000"]


def test_what_a_driver_does_not_say_is_not_guessed(driver: Path) -> None:
    [card] = driver.glob("gpus/*/information")
    card.write_text(INFORMATION.format(uuid="GPU-????????-????-????-????-????????????"))
    (driver / "version").unlink()
    assert nvidia_gpus() == [Gpu("NVIDIA Test 9000")]


def test_nvidia_smi_tells_more_and_is_asked_first(driver: Path) -> None:
    program = driver.parent / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho 'NVIDIA Test, {UUID}, 9.0, 143771, 580.65.06'\n")
    program.chmod(0o755)
    [gpu] = nvidia_gpus()
    assert gpu == Gpu("NVIDIA Test", UUID, "9.0", 143771, "580.65.06")
    assert str(gpu).startswith("NVIDIA Test, compute capability 9.0, 140.4 GiB of memory, driver")
    program.write_text("#!/bin/sh\necho NVIDIA-SMI has failed; exit 9\n")
    assert nvidia_gpus() == [Gpu("NVIDIA Test 9000", UUID, None, None, "580.65.06")]


def test_nvidia_smis_answer_is_read_with_all_its_gaps() -> None:
    answer = f'"Odd, Name", {UUID}, [N/A], [N/A], 580.1\nNo devices were found\n'
    assert parse_nvidia_smi(answer) == [Gpu("Odd, Name", UUID, None, None, "580.1")]


def test_without_a_driver_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_names(tmp_path) == []
    assert nvidia_gpus(tmp_path) == []


# What is tried.


@pytest.mark.parametrize(
    ("device", "gpu", "names"),
    [
        ("auto", True, ["tensorrt", "torch", "openvino"]),
        ("auto", False, ["openvino"]),
        ("cpu", True, ["openvino"]),
        ("CPU", False, ["openvino"]),
        ("cuda", False, ["tensorrt", "torch"]),
        ("cuda:1", True, ["tensorrt", "torch"]),
        (UUID, True, ["tensorrt", "torch"]),
        ("GPU.0", True, ["openvino"]),
    ],
)
@pytest.mark.skipif("sys.platform == 'darwin'", reason="auto tries torch on every Mac")
def test_the_device_decides_which_backends_are_tried(
    device: str, gpu: bool, names: list[str]
) -> None:
    assert candidates(EngineSettings(device=device), gpu) == names
    assert candidates(EngineSettings("torch", device), gpu) == ["torch"]


def test_a_gpu_is_expected_where_there_is_one_that_may_be_used(driver: Path) -> None:
    assert expects_gpu(EngineSettings())
    assert not expects_gpu(EngineSettings("openvino"))
    assert not expects_gpu(EngineSettings(device="cpu"))


def test_a_gpu_that_is_not_there_is_asked_for_in_vain() -> None:
    with pytest.raises(BackendError, match=r"no backend can run here \(tensorrt: .*; torch: .*\)"):
        build_engine(NEAREST, FORM, EngineSettings(device="cuda:77"))


class Crowded:
    """An engine for which there is never memory."""

    def __init__(self, *words: object) -> None:
        raise OutOfMemoryError("no memory for it")


def test_a_lack_of_memory_is_no_reason_to_leave_the_gpu(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "torch", (__name__, "Crowded"))
    with pytest.raises(OutOfMemoryError, match="no memory for it"):
        build_engine(NEAREST, FORM, EngineSettings())


# None stands idle without a word.


def test_on_the_processor_beside_a_gpu_the_engine_says_why(driver: Path) -> None:
    with build_engine(NEAREST, FORM, EngineSettings()) as engine:
        assert engine.device == "CPU"
        [note] = engine.notes
        engine.start(noise(FORM)).result()
    assert note.startswith("NOT on the GPU (NVIDIA Test 9000) but on the processor: ")
    assert all(f"{name}: " in note for name in ("tensorrt", "torch"))
    for knobs, why in [
        (EngineSettings("openvino"), "--backend openvino"),
        (EngineSettings("torch", "cpu"), "--backend torch --device cpu"),
        (EngineSettings(device="cpu"), "--device cpu"),
    ]:
        with build_engine(NEAREST, FORM, knobs) as engine:
            assert engine.notes[0].endswith(f"but on the processor: {why}")


def test_without_a_gpu_there_is_nothing_to_say() -> None:
    if gpu_names():
        pytest.skip("a GPU is here")
    with build_engine(NEAREST, FORM, EngineSettings()) as engine:
        assert engine.notes == []


def test_a_job_beside_an_idle_gpu_says_so_in_its_first_line(driver: Path) -> None:
    movie = film(driver.parent / "movie.mkv", Video(frames=2))
    ran = vsr_here("upscale", movie, *QUICK)
    assert ran.code == 0, ran.err
    lines = ran.err.splitlines()
    assert lines[0].startswith(f"{movie}: NOT on the GPU (NVIDIA Test 9000)")
    assert ran.err.count("NOT on the GPU") == 1
    ran = vsr_here("upscale", movie, *QUICK, "--overwrite", "--progress", "json")
    start, done = ran.events[0], ran.events[-1]
    assert start["notes"][0].startswith("NOT on the GPU")
    assert done["notes"].count(start["notes"][0]) == 1


# vsr doctor.


def test_doctor_tells_of_each_gpu_what_works_on_it_and_why_not(driver: Path) -> None:
    ran = vsr_here("doctor")
    assert ran.code == 0
    lines = ran.words.splitlines()
    first = lines.index(next(line for line in lines if line.startswith("GPU 0: NVIDIA Test 9000")))
    of_gpu = lines[first + 1 : first + 1 + len(BACKENDS)]
    assert of_gpu[0].startswith("  tensorrt: not usable; ")
    assert of_gpu[1].startswith("  torch: not usable; ")
    assert of_gpu[2].startswith("  engines in the cache: ")
    assert "  the fastest; wants NVIDIA's driver, CUDA's compiler (nvcc)" in ran.words
    assert json.dumps(ran.words).count("this is what --backend auto uses") == 1


def test_doctor_says_what_a_gpu_does_now(driver: Path) -> None:
    program = driver.parent / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n[ $1 = --query-gpu=utilization.gpu,memory.used ] && echo 7, 2048"
    )
    program.chmod(0o755)
    assert gpu_load(0) == Load(7, 2048)
    assert "  now: 7 % busy, 2.0 GiB in use\n" in vsr_here("doctor").words
    program.write_text("#!/bin/sh\necho '[N/A], [N/A]'")
    assert gpu_load(0) is None


def test_doctor_says_where_engines_are_kept_and_how_much_room_there_is(tmp_path: Path) -> None:
    told = cache_words(tmp_path / "not" / "yet" / "there")
    assert told.startswith(f"engines are kept in {tmp_path}/not/yet/there, ")
    assert told.endswith(" GB free")


# What to do about a failure.


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("libcuda.so.1: cannot open shared object file: No such file", "driver is not installed"),
        ("CUDA failed: cuInit failed: no CUDA-capable device is detected", "nvidia-smi shows"),
        ("CUDA failed: cuDevicePrimaryCtxRetain failed: out of memory", "what else uses the GPU"),
        ("CUDA initialization failure with error: 35. Please check", "install a newer driver"),
        ("CUDA initialization failure with error: 2. Please check", "what else uses the GPU"),
        ("cuInit failed: system has unsupported display driver / cuda", "restart the machine"),
        ("all CUDA-capable devices are busy or unavailable", "another program has the GPU"),
        ("No module named 'pycuda'; pip install 'vsr[tensorrt]'", "compiled at installation"),
    ],
)
def test_a_failure_that_is_known_comes_with_what_to_do(message: str, hint: str) -> None:
    told = advised(message)
    assert told.startswith(f"{message}; ")
    assert hint in told[len(message) :]
    assert advised(told) == told


def test_other_failures_are_left_as_they_are() -> None:
    assert advised("CUDA failed: invalid argument") == "CUDA failed: invalid argument"


def test_pictures_of_many_sizes_are_no_work_for_tensorrt(driver: Path) -> None:
    """Which would build an engine for each."""
    assert backend_for_pictures() in ("torch", "openvino")


def test_a_gpu_that_a_backend_lists_works() -> None:
    listed = BackendReport("torch", True, ("cuda:0: NVIDIA Test (fp32, fp16)",), "2.9")
    other = BackendReport("tensorrt", True, ("cuda:0: NVIDIA Other (fp32, fp16)",), "11.4")
    lines = gpu_lines(Gpu("NVIDIA Test"), [listed, other], [])
    assert lines[:2] == ["torch: works", "tensorrt: not usable; 11.4"]
