"""Loops over every sample, compiled by numba.

A loop does all there is to do for a sample, where operations on arrays would carry every step's
result through memory, and it runs beside Python's other threads. The first run on a machine
compiles for some seconds; what is compiled is kept.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Values = NDArray[np.float32]
F = np.float32
U = np.uint64
"""Of indices in the innermost loops: of those that may be negative numba looks at every one."""


def compiled(loop: Any) -> Any:
    """The loop, compiled when it is first run, and kept where there is a place for that."""
    how: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **how)(loop)
    except RuntimeError:  # neither here nor in the user's cache can anything be written
        return njit(**how)(loop)
