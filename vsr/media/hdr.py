"""HDR10's static metadata in the words of encoders."""

from fractions import Fraction

from vsr.frame import Hdr


def hdr_options(name: str, hdr: Hdr) -> tuple[str, str]:
    """HDR10's static metadata in the words of the encoder: (option, value).

    Units: chromaticity 0.00002, luminance 0.0001 cd/m2 (ITU-T H.265, D.3.28), except for AV1,
    which is told plain decimals.
    """
    words = []
    if hdr.mastering is not None:
        rx, ry, gx, gy, bx, by, wx, wy, low, high = hdr.mastering
        pairs = (("G", gx, gy), ("B", bx, by), ("R", rx, ry), ("WP", wx, wy))
        if name == "libsvtav1":
            text = "".join(f"{p}({float(x):.5f},{float(y):.5f})" for p, x, y in pairs)
            words.append(f"mastering-display={text}L({float(high):.4f},{float(low):.4f})")
        else:
            text = "".join(f"{p}({round(x * 50000)},{round(y * 50000)})" for p, x, y in pairs)
            text += f"L({round(high * 10000)},{round(low * 10000)})"
            words.append(
                f"mastering-display={text}" if name == "libx264" else f"master-display={text}"
            )
    if hdr.content_light is not None:
        key = {"libx264": "cll", "libsvtav1": "content-light"}.get(name, "max-cll")
        words.append(f"{key}={hdr.content_light[0]},{hdr.content_light[1]}")
    option = {
        "libx264": "x264-params",
        "libx265": "x265-params",
        "libsvtav1": "svtav1-params",
    }.get(name, "")
    return option, ":".join(words) if option else ""


def same_hdr(a: Hdr, b: Hdr) -> bool:
    """Whether they mean the same, as finely as HEVC and AV1 write them."""
    if a.content_light != b.content_light or (a.mastering is None) != (b.mastering is None):
        return False
    pairs = zip(a.mastering or (), b.mastering or (), strict=True)
    steps = [Fraction(1, 20_000)] * 8 + [Fraction(1, 5000), Fraction(1, 100)]
    return all(abs(x - y) <= step for (x, y), step in zip(pairs, steps))
