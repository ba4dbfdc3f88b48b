"""What the processor here can do, as Linux tells of it."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def processor_flags(cpuinfo: Path = CPUINFO) -> set[str]:
    """Linux's names of the instruction sets that an x86 processor has; none where nothing tells.

    Source: arch/x86/include/asm/cpufeatures.h.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())
