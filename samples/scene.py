"""The scene that the sample clips show: a street, and what moves in it, painted from formulas.

It is painted in linear light, three times finer than the clips, and brought down by area averaging.
Coordinates are pixels of the 640x360 clip; a smaller clip looks through a window at the same world.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Paint = str | Callable[[Array, Array], Array]
"""A display colour "rrggbb", or the linear light at x, y."""

FINE = 3
"""Samples to a pixel, each way."""
WORLD = (760, 380)
"""How far the world reaches, pixels."""
PEAK = 1000 / 203
"""The sun's light in diffuse whites, which HDR shows at 203 cd/m2. Source: ITU-R BT.2408."""

GLYPHS = (
    "EHHVHHH UHHUHHU EHGGGHE UHHHHHU VGGUGGV VGGUGGG EHGNHHF HHHVHHH E44444E "
    "7222IIC HIKOKIH GGGGGGV HRLLHHH HHPLJHH EHHHHHE UHHUGGG EHHHLID UHHUKIH "
    "FGGE11U V444444 HHHHHHE HHHHHA4 HHHLLLA HHA4AHH HHA4444 V1248GV EHJLPHE "
    "4C4444E EH1248V V2421HE 26AIV22 VGU11HE 68GUHHE V124888 EHHEHHE EHHF12C "
)
FONT = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", GLYPHS.split(), strict=True))
"""Letters of 5x7 dots, a row in each digit of base 32."""
LATTICE = np.random.default_rng(7).uniform(-1, 1, (256, 256)).astype(np.float32)


# ---- light ----------------------------------------------------------------------------------


def ink(code: str) -> Array:
    """The linear light of a display colour "rrggbb"."""
    return (np.array(list(bytes.fromhex(code)), np.float32) / 255) ** 2.4


def mix(first: str, second: str, share: Array) -> Array:
    """The first colour where the share is 0, the second where it is 1."""
    return np.asarray(ink(first) + np.clip(share, 0, 1)[..., None] * (ink(second) - ink(first)))


def noise(x: Array, y: Array, size: float) -> Array:
    """Smooth noise from -1 to 1 whose humps are `size` pixels wide."""
    (i, u), (j, v) = np.divmod(x / size, 1), np.divmod(y / size, 1)
    corner = [
        [LATTICE[(j.astype(int) + b) & 255, (i.astype(int) + a) & 255] for a in (0, 1)]
        for b in (0, 1)
    ]
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    top, bottom = (left + u * (right - left) for left, right in corner)
    return np.asarray(top + v * (bottom - top))


def rough(x: Array, y: Array, size: float) -> Array:
    """Noise of four octaves, from `size` pixels down to an eighth of that."""
    return np.asarray(
        sum(noise(x + 31 * n, y + 57 * n, size / 2**n) / 2 ** (n + 1) for n in range(4))
    )


def display(light: Array) -> Array:
    """Linear light as an SDR signal from 0 to 1. Source: ITU-R BT.1886."""
    return np.asarray(np.clip(light, 0, 1) ** (1 / 2.4))


def perceptual(light: Array) -> Array:
    """Linear light of BT.709 as a PQ signal of BT.2020. Sources: ITU-R BT.2087, SMPTE ST 2084."""
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    power = np.clip(light @ wide.T * 203 / 10000, 0, 1) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


# ---- shapes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """The signed distance to an edge in pixels, negative inside, and a box around the inside."""

    box: tuple[float, float, float, float]
    distance: Callable[[Array, Array], Array]

    def turned(self, x0: float, y0: float, degrees: float) -> "Shape":
        """The shape after a clockwise turn about x0, y0."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        left, top, right, bottom = self.box
        corners = [
            (x0 + c * (x - x0) - s * (y - y0), y0 + s * (x - x0) + c * (y - y0))
            for x in (left, right)
            for y in (top, bottom)
        ]
        return Shape(
            (*np.min(corners, 0), *np.max(corners, 0)),
            lambda x, y: self.distance(
                x0 + c * (x - x0) + s * (y - y0), y0 - s * (x - x0) + c * (y - y0)
            ),
        )


def hull(*points: tuple[float, float]) -> Shape:
    """A convex polygon with its corners in clockwise order."""
    edges = [
        (a, b, (c - a) / np.hypot(c - a, d - b), (d - b) / np.hypot(c - a, d - b))
        for (a, b), (c, d) in zip(points, points[1:] + points[:1], strict=True)
    ]
    return Shape(
        (*np.min(points, 0), *np.max(points, 0)),
        lambda x, y: np.maximum.reduce([(x - a) * q - (y - b) * p for a, b, p, q in edges]),
    )


def box(left: float, top: float, right: float, bottom: float) -> Shape:
    return hull((left, top), (right, top), (right, bottom), (left, bottom))


def line(a: float, b: float, c: float, d: float, width: float) -> Shape:
    q, p = (np.array([d - b, c - a]) * width / 2 / np.hypot(c - a, d - b)).tolist()
    return hull((a + q, b - p), (c + q, d - p), (c - q, d + p), (a - q, b + p))


def disc(x0: float, y0: float, radius: float) -> Shape:
    return Shape(
        (x0 - radius, y0 - radius, x0 + radius, y0 + radius),
        lambda x, y: np.hypot(x - x0, y - y0) - radius,
    )


def below(height: Callable[[Array], Array]) -> Shape:
    """All that lies under a skyline."""
    return Shape((-np.inf, -np.inf, np.inf, np.inf), lambda x, y: height(x) - y)


def text(words: str, x0: float, y0: float, size: float) -> Shape:
    """Words in dots of `size` pixels whose corners are rounded by interpolation."""
    rows = [[int(FONT.get(letter, "0" * 7)[row], 32) for letter in words] for row in range(7)]
    dots = np.array(
        [[number >> bit & 1 for number in row for bit in (4, 3, 2, 1, 0, 6)] for row in rows]
    )
    dots = np.pad(dots, 2).astype(np.float32)

    def distance(x: Array, y: Array) -> Array:
        u = np.clip((x - x0) / size + 1.5, 0, dots.shape[1] - 1.01)
        v = np.clip((y - y0) / size + 1.5, 0, dots.shape[0] - 1.01)
        i, j = u.astype(int), v.astype(int)
        top = dots[j, i] + (u - i) * (dots[j, i + 1] - dots[j, i])
        bottom = dots[j + 1, i] + (u - i) * (dots[j + 1, i + 1] - dots[j + 1, i])
        return np.asarray((0.45 - top - (v - j) * (bottom - top)) * size)

    return Shape((x0 - size, y0 - size, x0 + 6 * size * len(words), y0 + 8 * size), distance)


class Canvas:
    """A window at the world, FINE samples to a pixel; a pixel is `aspect` as wide as high."""

    def __init__(self, left: float, top: float, width: int, height: int, aspect: float = 1) -> None:
        self.x = left + (np.arange(width * FINE, dtype=np.float32)[None, :] + 0.5) * aspect / FINE
        self.y = top + (np.arange(height * FINE, dtype=np.float32)[:, None] + 0.5) / FINE
        self.light = np.zeros((height * FINE, width * FINE, 3), np.float32)

    def paint(self, shape: Shape, paint: Paint) -> None:
        left, top, right, bottom = shape.box
        columns = slice(*np.searchsorted(self.x[0], (left - 1, right + 1)))
        rows = slice(*np.searchsorted(self.y[:, 0], (top - 1, bottom + 1)))
        x, y, part = self.x[:, columns], self.y[rows], self.light[rows, columns]
        cover = np.clip(0.5 - FINE * shape.distance(x, y), 0, 1)[..., None]
        part += cover * ((ink(paint) if isinstance(paint, str) else paint(x, y)) - part)

    def crop(self, column: int, row: int, width: int, height: int) -> "Canvas":
        """A copy of a part; column and row are counted in fine samples, the size in pixels."""
        part = Canvas(0, 0, width, height)
        part.x, part.y = self.x[:, column:][:, : width * FINE], self.y[row:][: height * FINE]
        part.light[:] = self.light[row:, column:][: height * FINE, : width * FINE]
        return part

    def pixels(self) -> Array:
        rows, columns, _ = self.light.shape
        small = self.light.reshape(rows // FINE, FINE, columns // FINE, FINE, 3)
        return np.asarray(small.mean((1, 3)))


# ---- the street -----------------------------------------------------------------------------


def sky(x: Array, y: Array) -> Array:
    cloud = np.clip(rough(x, 2.5 * y, 120) * 1.6 + 0.1, 0, 0.6)[..., None]
    clear = mix("2a62b8", "f2d8b4", (y + 0 * x) / 230)
    sun = np.exp(-np.hypot(x - 455, y - 62) / 40)[..., None] * ink("ffd890") * 0.5
    return np.asarray(clear + cloud * (ink("f6f2ee") - clear) + sun)


def bricks(x: Array, y: Array) -> Array:
    course, down = np.divmod(y, 7)
    stone, along = np.divmod(x + 7 * (course % 2), 14)
    tone = LATTICE[course.astype(int) & 255, stone.astype(int) & 255] * 0.3 + 0.5
    brick = mix("8a3a28", "c0694a", tone + 0.3 * noise(x, y, 2.5))
    return np.where(((down < 1) | (along < 1))[..., None], ink("b9aa98"), brick)


def paving(x: Array, y: Array) -> Array:
    course, down = np.divmod(y - 300, 15)
    joint = (down < 1) | ((x + 0.4 * y + 20 * (course % 2)) % 40 < 1.2)
    return np.where(joint[..., None], ink("5a564f"), mix("7d776d", "aaa295", 0.5 + rough(x, y, 12)))


def rings(
    x0: float, y0: float, radius: float, paints: tuple[str, str]
) -> Callable[[Array, Array], Array]:
    """A zone plate whose rings narrow to a period of 3 pixels at the radius."""
    return lambda x, y: mix(
        *paints, 0.5 + 0.5 * np.cos(np.pi * ((x - x0) ** 2 + (y - y0) ** 2) / 3 / radius)
    )


def street(canvas: Canvas) -> None:
    paint = canvas.paint
    paint(below(lambda x: -1e3 + 0 * x), sky)
    paint(disc(455, 62, 15), lambda x, y: ink("fff4d8") * PEAK + 0 * (x + y)[..., None])
    paint(
        below(lambda x: 196 + 16 * np.sin(x / 80) + 7 * np.sin(x / 31)),
        lambda x, y: mix("3f6a78", "7fa39a", 0.5 + rough(x, y, 16)),
    )
    paint(
        below(lambda x: 238 + 10 * np.sin(x / 120 + 2)),
        lambda x, y: mix("274f1c", "8fae3c", 0.5 + 0.8 * rough(x, y / 2, 7)),
    )
    for mast in (345, 620):
        for reach in range(-120, 121, 15):
            paint(line(mast, 92, mast + reach, 228 - reach / 30, 0.9), "e8e4dc")
        paint(hull((mast - 3, 88), (mast + 3, 88), (mast + 6, 262), (mast - 6, 262)), "d9d2c4")
    paint(hull((205, 228), (760, 219), (760, 226), (205, 236)), "4b5563")
    for sag in (0, 9):
        paint(line(0, 22 + sag, 760, 96 + sag, 0.8), "20242c")
    paint(below(lambda x: 300 + 0 * x), paving)
    paint(box(22, 84, 210, 304), bricks)
    paint(
        hull((12, 86), (40, 46), (192, 46), (220, 86)),
        lambda x, y: mix("30363f", "6a7480", 0.5 + 0.4 * np.sin(2 * np.pi * y / 4.5) + 0 * x),
    )
    for left in (38, 96, 154):
        paint(box(left, 100, left + 38, 158), "f4f0e6")
        for x, y in ((3, 3), (21, 3), (3, 31), (21, 31)):
            paint(
                box(left + x, 100 + y, left + x + 14, 125 + y),
                lambda x, y: mix("16283e", "9cc4dc", rough(x + y, x - y, 30) + 0.4),
            )
    paint(box(34, 164, 200, 190), "0f4d3a")
    paint(text("CAFE MIRA", 46, 167, 2.8), "ffd23f")
    paint(box(40, 212, 118, 282), lambda x, y: mix("1a2430", "d8a860", 0.4 + rough(x, y, 40)))
    paint(box(132, 212, 186, 302), "7a1f2b")
    paint(disc(178, 260, 2.5), "ffd23f")
    paint(text("OPEN 8 TO 22", 134, 221, 0.7), "ffffff")
    paint(text("FRESH BREAD", 46, 268, 1), "ffffff")
    for n in range(12):
        paint(
            hull(
                (30 + 14.5 * n, 194),
                (44.5 + 14.5 * n, 194),
                (46 + 14.8 * n, 216),
                (30 + 14.8 * n, 216),
            ),
            "d81e2c" if n % 2 else "fdfaf2",
        )
    paint(box(486, 226, 632, 332), "3a2a1c")
    paint(box(490, 230, 628, 326), "fbf7ea")
    paint(disc(592, 262, 28), rings(592, 262, 28, ("fbf7ea", "101418")))
    for y, size, words in (
        (236, 2, "SHARP"),
        (256, 1.5, "EDGES"),
        (272, 1.2, "LINE 12"),
        (284, 1, "WORDS 10"),
        (298, 0.8, "AND THE SMALL PRINT 08"),
        (310, 0.65, "READ THIS LINE IF YOU CAN 065"),
    ):
        paint(text(words, 498, y, size), "14181c")


def street_life(canvas: Canvas, t: float) -> None:
    """What moves in the street after t frames."""
    paint = canvas.paint
    paint(hull((262, 150), (274, 150), (280, 250), (256, 250)), "f4f1ea")
    for blade in range(4):
        arm = hull((266, 148), (268, 98), (280, 98), (270, 148))
        paint(arm.turned(268, 150, 90 * blade + 3.1 * t), "16181c" if blade % 2 else "ffffff")
    paint(disc(268, 150, 4), "d81e2c")
    for start_x, start_y, first, second in (
        (395, 128, "e0128c", "ffd400"),
        (520, 150, "0a8fe0", "ff5a00"),
        (700, 95, "18a048", "f5f5f5"),
    ):
        balloon(canvas, start_x - 0.35 * t, start_y - 0.55 * t + 3 * np.sin(t / 9), first, second)
    ball = 230 + 2.7 * t
    paint(disc(ball, 318, 20), spokes(ball, 318, 3 * 2.7 * t / 20))
    paint(disc(ball, 318, 5), "d81e2c")


def balloon(canvas: Canvas, x0: float, y0: float, first: str, second: str) -> None:
    """A striped ball, a basket and two ropes."""

    def stripes(x: Array, y: Array) -> Array:
        half_width = np.sqrt(np.maximum(580 - (y - y0) ** 2, 1))
        longitude = np.arcsin(np.clip((x - x0) / half_width, -1, 1))
        return mix(first, second, 0.5 + 9 * np.sin(4 * longitude))

    for side in (-1, 1):
        canvas.paint(line(x0 + 8 * side, y0 + 20, x0 + 4 * side, y0 + 36, 0.7), "30241a")
    canvas.paint(box(x0 - 5, y0 + 35, x0 + 5, y0 + 43), "7a4a20")
    canvas.paint(disc(x0, y0, 24), stripes)


def spokes(x0: float, y0: float, turn: float) -> Callable[[Array, Array], Array]:
    """Three black and three white sectors."""
    return lambda x, y: mix(
        "101010", "ffffff", 0.5 + 20 * np.sin(3 * np.arctan2(y - y0, x0 - x) - turn)
    )


def camera(
    moments: Iterable[tuple[float, float, float]], width: int, height: int
) -> Iterator[Array]:
    """Linear light (height, width, 3) as seen at each moment: (frame, left, top)."""
    world = Canvas(0, 0, *WORLD)
    street(world)
    for t, left, top in moments:
        view = world.crop(round(left * FINE), round(top * FINE), width, height)
        street_life(view, t)
        yield view.pixels()
