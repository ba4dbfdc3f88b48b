"""Each large frame blended with its neighbours, moved to where it shows the same things.

Raises: MissingPackageError, when it is imported without OpenCV.
"""

from vsr.errors import MissingPackageError

try:
    import cv2  # noqa: F401
except ImportError as error:
    raise MissingPackageError("OpenCV (opencv-contrib-python-headless)", "temporal") from error
