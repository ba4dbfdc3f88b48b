"""Each large frame blended with its neighbours, moved to where it shows the same things.

Raises: MissingPackageError, when it is imported without OpenCV or numba.
"""

from vsr.errors import MissingPackageError

try:
    import cv2
except ImportError as error:
    raise MissingPackageError("OpenCV (opencv-contrib-python-headless)", "temporal") from error

try:
    import numba
except ImportError as error:
    raise MissingPackageError("numba", "temporal") from error


def versions() -> dict[str, str]:
    """Of what the last digits may depend on."""
    return {"OpenCV": str(cv2.__version__), "numba": str(numba.__version__)}
