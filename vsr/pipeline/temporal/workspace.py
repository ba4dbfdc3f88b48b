"""Memory that is used again."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Workspace:
    """Arrays made once and used again for every frame: memory fresh from the system costs several
    times what is computed in it. What one holds is lost when its name and shape are used again."""

    def __init__(self) -> None:
        self.arrays: dict[tuple[object, ...], NDArray[Any]] = {}

    def array(
        self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> NDArray[Any]:
        """The array of this name, shape and type, holding whatever it holds."""
        key = name, shape, dtype
        if key not in self.arrays:
            self.arrays[key] = np.empty(shape, dtype)
        return self.arrays[key]
