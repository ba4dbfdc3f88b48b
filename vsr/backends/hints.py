"""What to do about the failures of NVIDIA's driver and runtimes, which are known by their words.

Sources of the words: cuda.h (CUresult) and the CUDA runtime's cudaError_t, TensorRT's log (such as
NVIDIA/TensorRT#2913: "CUDA initialization failure with error: 35"), the dynamic linker's, PyCUDA's
and torch's messages.
"""

import re

UNSEEN = "nvidia-smi shows whether the driver sees the GPU; CUDA_VISIBLE_DEVICES may hide it"
FULL = "nvidia-smi shows what else uses the GPU's memory; --device takes another GPU, or cpu"
OLD = "install a newer driver of NVIDIA's; TensorRT 11 wants 580, or 535 by its CUDA 12 wheels"
UPDATED = "the driver was updated under a running system: restart the machine"
WITHOUT = "without: pip install 'vsr[cuda]', which is slower, but wants only the driver"

FAILED = r"initialization failure with error:? "
HINTS = {
    r"libcuda\.so": "NVIDIA's driver is not installed, or not let into this container "
    "(docker run --gpus all)",
    rf"no cuda-capable device|{FAILED}100\b": UNSEEN,
    rf"out of memory|{FAILED}2\b": FULL,
    rf"driver version is insufficient|{FAILED}35\b": OLD,
    rf"unsupported display driver|{FAILED}803\b": UPDATED,
    rf"busy or unavailable|{FAILED}46\b": "another program has the GPU to itself; "
    "nvidia-smi shows which",
    r"no kernel image": "this GPU is older than what the runtime is made for",
    rf"\bunknown error|{FAILED}999\b": "the driver is not itself, as after a standby: restart the "
    "machine",
    r"libnvinfer": "TensorRT's libraries are missing: pip install --force-reinstall tensorrt",
    r"pycuda": f"PyCUDA is compiled at installation, by nvcc and a C++ compiler; {WITHOUT}",
    r"libcurand": f"PyCUDA wants CUDA's own libraries beside the driver; {WITHOUT}",
}
"""A pattern, in lower case -> what to do."""


def advised(message: str) -> str:
    """The message, with what to do where that is known."""
    for pattern, hint in HINTS.items():
        if re.search(pattern, message.lower()):
            return message if hint in message else f"{message}; {hint}"
    return message
