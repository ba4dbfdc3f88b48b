"""Colour as numbers: matrices and ranges of Y'CbCr."""

from dataclasses import dataclass

LUMA_WEIGHTS = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
"""Weights of red and blue in luma. Source: ITU-T H.273, table 4 (matrix coefficients)."""

MATRIX_NAMES = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
"""H.273's number -> the name used here. 4 is FCC, whose weights differ in the third digit."""

MATRIX_NUMBERS = {"bt601": 6, "bt709": 1, "bt2020": 9}


@dataclass(frozen=True)
class CodeRange:
    """Where the codes of a plane pair lie. Source: ITU-T H.273, section 8.3, equations 20 to 25."""

    black: float
    """Code of black."""
    luma: float
    """Codes from black to white."""
    neutral: float
    """Code of no colour."""
    chroma: float
    """Codes from the one extreme of chroma to the other."""
    top: float
    """The largest code there is."""


def code_range(depth: int, full: bool) -> CodeRange:
    """The code range of `depth` bits, full or limited."""
    top, unit = float(2**depth - 1), float(2 ** (depth - 8))
    if full:
        return CodeRange(0, top, 128 * unit, top, top)
    return CodeRange(16 * unit, 219 * unit, 128 * unit, 224 * unit, top)


def guess_matrix(width: int, height: int) -> str:
    """What an untagged film was most likely made with: BT.709 from 720 lines or 1280 columns on.

    Source: the rule of mpv and libplacebo.
    """
    return "bt709" if height >= 720 or width >= 1280 else "bt601"
