"""Our names of tensors -> those that published programs give them: the other way round than
`vsr/networks/foreign/layouts.py`, and written down for itself."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Name = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Published:
    """A small network of ours, and how a published program would have saved it."""

    kind: str
    names: list[tuple[str, Name]]
    scales: tuple[int, ...] = (2, 3, 4)
    sizes: dict[str, Any] = field(default_factory=dict)
    file: str = "network.pth"
    white: float = 1.0
    """What white is to the program."""
    saves_mean: bool = False


def plus(template: str, *steps: int) -> Name:
    """A template in which {0}, {1} ... are groups; `steps` are added to the first ones."""

    def name(match: re.Match[str]) -> str:
        groups: list[Any] = list(match.groups())
        groups[: len(steps)] = [int(g) + s for g, s in zip(groups, steps, strict=False)]
        return template.format(*groups)

    return name


def conv_at(template: str) -> Name:
    """A template in which {0} ... are groups, the last but one of which is 1 or 2: the first or the
    second convolution, at place 0 or 2 of its block."""

    def name(match: re.Match[str]) -> str:
        *groups, which, part = match.groups()
        return template.format(*groups, 2 * int(which) - 2, part)

    return name


SQUEEZE = {"squeeze": "0", "excite": "2"}
STEPS = {"there": 1, "back": 2, "again": 3}


def dbpn(match: re.Match[str]) -> str:
    way, stage, step, layer, part = match.groups()
    deconv = (way == "up") == (step != "back")
    block = "conv" if step == "gather" else f"{way}_conv{STEPS[step]}"
    kind = "act" if layer == "1" else "deconv" if deconv and step != "gather" else "conv"
    return f"{way}{int(stage) + 1}.{block}.{kind}.{part}"


EDSR_PYTORCH: list[tuple[str, Name]] = [
    (r"subtract_mean\.mean", "sub_mean.bias"),
    (r"add_mean\.mean", "add_mean.bias"),
    (r"head\.(.*)", r"head.0.\1"),
    (r"upsampler\.(.*)", r"tail.0.\1"),
]

BASICSR: list[tuple[str, Name]] = [
    (r"head\.(.*)", r"conv_first.\1"),
    (r"body_end\.(.*)", r"conv_after_body.\1"),
    (r"upsampler\.(.*)", r"upsample.\1"),
]

CARN: list[tuple[str, Name]] = [
    (r"subtract_mean\.mean", "sub_mean.shifter.bias"),
    (r"add_mean\.mean", "add_mean.shifter.bias"),
    (r"head\.(.*)", r"entry.\1"),
    (r"body\.units\.(\d)\.joins\.(\d)\.(.*)", plus("b{0}.c{1}.body.0.{2}", 1, 1)),
    (r"body\.joins\.(\d)\.(.*)", plus("c{0}.body.0.{1}", 1)),
    (r"tail\.(.*)", r"exit.\1"),
]

MANY = {"channels": 8, "blocks": 2}
ALL = (2, 3, 4)

PUBLISHED: dict[str, Published] = {
    "EDSR-PyTorch, EDSR": Published(
        "edsr",
        [
            *EDSR_PYTORCH,
            (r"body\.(\d+)\.conv(\d)\.(.*)", conv_at("body.{0}.body.{1}.{2}")),
            (r"body_end\.(.*)", r"body.2.\1"),
            (r"tail\.(.*)", r"tail.1.\1"),
        ],
        sizes=MANY,
        white=255,
        saves_mean=True,
    ),
    "EDSR-PyTorch, full EDSR, range 1": Published(
        "edsr",
        [
            *EDSR_PYTORCH,
            (r"body\.(\d+)\.conv(\d)\.(.*)", conv_at("body.{0}.body.{1}.{2}")),
            (r"body_end\.(.*)", r"body.1.\1"),
            (r"tail\.(.*)", r"tail.1.\1"),
        ],
        (2,),
        {"channels": 256, "blocks": 1, "residual_scale": 0.1},
        saves_mean=True,
    ),
    "EDSR-PyTorch, MDSR": Published(
        "mdsr",
        [
            *EDSR_PYTORCH,
            (
                r"entrances\.(\d)\.(\d)\.conv(\d)\.(.*)",
                lambda m: f"pre_process.{int(m[1]) - 2}.{m[2]}.body.{2 * int(m[3]) - 2}.{m[4]}",
            ),
            (r"body\.(\d+)\.conv(\d)\.(.*)", conv_at("body.{0}.body.{1}.{2}")),
            (r"body_end\.(.*)", r"body.2.\1"),
            (r"upsamplers\.(\d)\.(.*)", plus("upsample.{0}.{1}", -2)),
            (r"tail\.(.*)", r"tail.0.\1"),
        ],
        sizes={**MANY, "scales": ALL},
        white=255,
        saves_mean=True,
    ),
    "EDSR-PyTorch, RCAN": Published(
        "rcan",
        [
            *EDSR_PYTORCH,
            (
                r"body\.(\d+)\.blocks\.(\d+)\.conv(\d)\.(.*)",
                conv_at("body.{0}.body.{1}.body.{2}.{3}"),
            ),
            (
                r"body\.(\d+)\.blocks\.(\d+)\.attention\.(\w+)\.(.*)",
                lambda m: f"body.{m[1]}.body.{m[2]}.body.3.conv_du.{SQUEEZE[m[3]]}.{m[4]}",
            ),
            (r"body\.(\d+)\.end\.(.*)", r"body.\1.body.2.\2"),
            (r"body_end\.(.*)", r"body.3.\1"),
            (r"tail\.(.*)", r"tail.1.\1"),
        ],
        sizes={**MANY, "groups": 3, "reduction": 4},
        white=255,
        saves_mean=True,
    ),
    "BasicSR, EDSR": Published(
        "edsr", [*BASICSR, (r"tail\.(.*)", r"conv_last.\1")], sizes=MANY, white=255
    ),
    "BasicSR, RCAN": Published(
        "rcan",
        [
            *BASICSR,
            (
                r"body\.(\d+)\.blocks\.(\d+)\.conv(\d)\.(.*)",
                conv_at("body.{0}.residual_group.{1}.rcab.{2}.{3}"),
            ),
            (
                r"body\.(\d+)\.blocks\.(\d+)\.attention\.(\w+)\.(.*)",
                lambda m: (
                    f"body.{m[1]}.residual_group.{m[2]}.rcab.3.attention."
                    f"{int(SQUEEZE[m[3]]) + 1}.{m[4]}"
                ),
            ),
            (r"body\.(\d+)\.end\.(.*)", r"body.\1.conv.\2"),
            (r"tail\.(.*)", r"conv_last.\1"),
        ],
        sizes={**MANY, "groups": 3, "reduction": 4},
        white=255,
    ),
    "BasicSR, MSRResNet": Published(
        "msrresnet",
        [
            (r"head\.(.*)", r"conv_first.\1"),
            (r"upsampler\.0\.(.*)", r"upconv1.\1"),
            (r"upsampler\.3\.(.*)", r"upconv2.\1"),
            (r"tail\.(.*)", r"conv_hr.\1"),
            (r"end\.(.*)", r"conv_last.\1"),
        ],
        sizes=MANY,
    ),
    "BasicSR, RRDBNet": Published(
        "rrdb",
        [
            (r"head\.(.*)", r"conv_first.\1"),
            (
                r"body\.(\d+)\.dense\.(\d)\.convs\.(\d)\.(.*)",
                plus("body.{0}.rdb{1}.conv{2}.{3}", 0, 1, 1),
            ),
            (r"body_end\.(.*)", r"conv_body.\1"),
            (r"upconvs\.(\d)\.(.*)", plus("conv_up{0}.{1}", 1)),
            (r"tail\.(.*)", r"conv_hr.\1"),
            (r"end\.(.*)", r"conv_last.\1"),
        ],
        (1, 2, 4),
        {**MANY, "growth": 4},
    ),
    "ESRGAN": Published(
        "rrdb",
        [
            (r"head\.(.*)", r"conv_first.\1"),
            (
                r"body\.(\d+)\.dense\.(\d)\.convs\.(\d)\.(.*)",
                plus("RRDB_trunk.{0}.RDB{1}.conv{2}.{3}", 0, 1, 1),
            ),
            (r"body_end\.(.*)", r"trunk_conv.\1"),
            (r"upconvs\.(\d)\.(.*)", plus("upconv{0}.{1}", 1)),
            (r"tail\.(.*)", r"HRconv.\1"),
            (r"end\.(.*)", r"conv_last.\1"),
        ],
        (2, 4),
        {**MANY, "growth": 4, "unshuffle": 1},
    ),
    "early ESRGAN, x4": Published(
        "rrdb",
        [
            (r"head\.(.*)", r"model.0.\1"),
            (
                r"body\.(\d+)\.dense\.(\d)\.convs\.(\d)\.(.*)",
                plus("model.1.sub.{0}.RDB{1}.conv{2}.0.{3}", 0, 1, 1),
            ),
            (r"body_end\.(.*)", r"model.1.sub.2.\1"),
            (r"upconvs\.0\.(.*)", r"model.3.\1"),
            (r"upconvs\.1\.(.*)", r"model.6.\1"),
            (r"tail\.(.*)", r"model.8.\1"),
            (r"end\.(.*)", r"model.10.\1"),
        ],
        (4,),
        {**MANY, "growth": 4},
    ),
    "early ESRGAN, x2": Published(
        "rrdb",
        [
            (r"head\.(.*)", r"model.0.\1"),
            (
                r"body\.(\d+)\.dense\.(\d)\.convs\.(\d)\.(.*)",
                plus("model.1.sub.{0}.RDB{1}.conv{2}.0.{3}", 0, 1, 1),
            ),
            (r"body_end\.(.*)", r"model.1.sub.2.\1"),
            (r"upconvs\.0\.(.*)", r"model.3.\1"),
            (r"tail\.(.*)", r"model.5.\1"),
            (r"end\.(.*)", r"model.7.\1"),
        ],
        (2,),
        {**MANY, "growth": 4, "unshuffle": 1},
    ),
    "Real-ESRGAN, compact": Published("compact", [], (1, 2, 3, 4), {"channels": 8, "convs": 3}),
    "CARN": Published(
        "carn",
        [
            *CARN,
            (
                r"body\.units\.(\d)\.units\.(\d)\.0\.conv(\d)\.(.*)",
                lambda m: f"b{int(m[1]) + 1}.b{int(m[2]) + 1}.body.{2 * int(m[3]) - 2}.{m[4]}",
            ),
            (r"upsamplers\.(\d)\.(.*)", r"upsample.up\1.body.\2"),
        ],
        sizes={"channels": 8, "scales": ALL},
        saves_mean=True,
    ),
    "CARN-M of one scale": Published(
        "carn_m",
        [
            *CARN,
            (
                r"body\.units\.(\d)\.units\.(\d)\.0\.(\d)\.(.*)",
                plus("b{0}.b{1}.body.{2}.{3}", 1, 1),
            ),
            (r"upsamplers\.(\d)\.(.*)", r"upsample.up.body.\2"),
        ],
        sizes={"channels": 8, "groups": 2},
        saves_mean=True,
    ),
    "twtygqyy, VDSR": Published(
        "vdsr",
        [(r"layers\.(\d+)\.weight", lambda m: f"features.{2 * int(m[1])}.weight")],
        sizes={"channels": 4},
    ),
    "Lornatang, VDSR": Published(
        "vdsr",
        [
            (r"layers\.0\.weight", "conv1.0.weight"),
            (r"layers\.19\.weight", "conv2.weight"),
            (r"layers\.(\d+)\.weight", plus("trunk.{0}.conv.weight", -1)),
        ],
        sizes={"channels": 4},
    ),
    "yjn870, SRCNN": Published(
        "srcnn",
        [
            (r"extract\.(.*)", r"conv1.\1"),
            (r"map\.(.*)", r"conv2.\1"),
            (r"reconstruct\.(.*)", r"conv3.\1"),
        ],
        (3,),
        file="srcnn_x3.pth",
    ),
    "Lornatang, SRCNN": Published(
        "srcnn",
        [
            (r"extract\.(.*)", r"features.0.\1"),
            (r"map\.(.*)", r"map.0.\1"),
            (r"reconstruct\.(.*)", r"reconstruction.\1"),
        ],
        (2,),
        {"kernels": (9, 1, 5)},
        "srcnn_x2-T91-7d6e0623.pth",
    ),
    "yjn870, FSRCNN": Published(
        "fsrcnn",
        [
            (r"layers\.([01])\.(.*)", r"first_part.\1.\2"),
            (r"layers\.(\d+)\.(.*)", plus("mid_part.{0}.{1}", -2)),
            (r"enlarge\.(.*)", r"last_part.\1"),
        ],
        (4,),
        {"convs": 2},
        "fsrcnn_x4.pth",
    ),
    "Lornatang, FSRCNN": Published(
        "fsrcnn",
        [
            (r"layers\.([01])\.(.*)", r"feature_extraction.\1.\2"),
            (r"layers\.([23])\.(.*)", plus("shrink.{0}.{1}", -2)),
            (r"layers\.(1[23])\.(.*)", plus("expand.{0}.{1}", -12)),
            (r"layers\.(\d+)\.(.*)", plus("map.{0}.{1}", -4)),
            (r"enlarge\.(.*)", r"deconv.\1"),
        ],
        (2,),
        file="2x-FSRCNN.pth",
    ),
    "yjn870, ESPCN": Published(
        "espcn",
        [
            (r"extract\.(.*)", r"first_part.0.\1"),
            (r"map\.(.*)", r"first_part.2.\1"),
            (r"reconstruct\.(.*)", r"last_part.0.\1"),
        ],
    ),
    "Lornatang, ESPCN": Published(
        "espcn",
        [
            (r"extract\.(.*)", r"feature_maps.0.\1"),
            (r"map\.(.*)", r"feature_maps.2.\1"),
            (r"reconstruct\.(.*)", r"sub_pixel.0.\1"),
        ],
        sizes={"channels": (8, 4)},
    ),
    "Lornatang, SRResNet": Published(
        "srresnet",
        [
            (r"head\.(.*)", r"conv_block1.\1"),
            (r"body\.(\d+)\.(.*)", r"trunk.\1.rcb.\2"),
            (r"body_end\.(.*)", r"conv_block2.\1"),
            (r"upsampler\.([02])\.(.*)", r"upsampling.0.upsample_block.\1.\2"),
            (r"upsampler\.([35])\.(.*)", plus("upsampling.1.upsample_block.{0}.{1}", -3)),
            (r"tail\.(.*)", r"conv_block3.\1"),
        ],
        (2, 4),
        MANY,
    ),
    "DBPN-Pytorch": Published(
        "dbpn",
        [
            (r"head\.(\d)\.0\.(.*)", r"feat\1.conv.\2"),
            (r"head\.(\d)\.1\.(.*)", r"feat\1.act.\2"),
            (r"(up|down)s\.(\d+)\.(\w+)\.(\d)\.(.*)", dbpn),
            (r"tail\.(.*)", r"output_conv.conv.\1"),
        ],
        (2, 4, 8),
        {"channels": 4, "first_channels": 8, "stages": 4},
    ),
}


def published_name(name: str, names: list[tuple[str, Name]]) -> str:
    """What the program calls a tensor of ours; its own name where nothing else is said."""
    for pattern, theirs in names:
        match = re.fullmatch(pattern, name)
        if match:
            return theirs(match) if callable(theirs) else match.expand(theirs)
    return name


def published_state(net: Any, published: Published) -> dict[str, Any]:
    """The state dict that the program would have saved of the network."""
    state = {}
    for name, value in net.state_dict().items():
        if "_mean." in name:
            if not published.saves_mean:
                continue
            value = value.flatten() * published.white
        elif name == "head.weight":
            value = value / published.white
        elif name in ("tail.weight", "tail.bias") and published.white != 1:
            value = value * published.white
        state[published_name(name, published.names)] = value
    return state
