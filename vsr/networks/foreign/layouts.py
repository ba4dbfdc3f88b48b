"""What published programs call the tensors of the architectures that are known here.

A file is of a layout when every one of its names is one of the layout's. Long, because it is one
table. Sources, all on GitHub:
sanghyun-son/EDSR-PyTorch, XPixelGroup/BasicSR, xinntao/ESRGAN and Real-ESRGAN,
nmhkahn/CARN-pytorch, twtygqyy/pytorch-vdsr, alterzero/DBPN-Pytorch,
yjn870/{SRCNN,FSRCNN,ESPCN}-pytorch, Lornatang/{SRCNN,FSRCNN,ESPCN,VDSR,SRGAN}-PyTorch.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Rule = tuple[str, str | Callable[[re.Match[str]], str] | None]
"""A pattern for the whole of a published name, and our name; None for what is not needed."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Layout:
    """The names of one architecture in one published program."""

    program: str
    kind: str
    """A key of `vsr.networks.architectures.ARCHITECTURES`."""
    rules: tuple[Rule, ...]
    value_range: float = 1.0
    """What white is to the published network, where its tensors do not say; 1 to ours."""

    def rename(self, state: dict[str, Value]) -> dict[str, Value] | None:
        """The tensors under our names; None where one of the names is not this layout's."""
        renamed = {}
        for name, value in state.items():
            matches = ((re.fullmatch(pattern, name), ours) for pattern, ours in self.rules)
            match, ours = next(((m, ours) for m, ours in matches if m), (None, None))
            if match is None:
                return None
            if ours is not None:
                renamed[ours(match) if callable(ours) else match.expand(ours)] = value
        return renamed


def numbered(template: str, *steps: int) -> Callable[[re.Match[str]], str]:
    """Our name by a template in which {0}, {1} ... are the pattern's groups; what is added to the
    first groups, which are numbers, stands in `steps`."""

    def name(match: re.Match[str]) -> str:
        groups: list[object] = list(match.groups())
        for i, step in enumerate(steps):
            groups[i] = int(match[i + 1]) + step
        return template.format(*groups)

    return name


def halved(template: str) -> Callable[[re.Match[str]], str]:
    """As `numbered`, for layers that are counted together with the activations between them."""
    return lambda match: template.format(int(match[1]) // 2, *match.groups()[1:])


WB = r"(weight|bias)"

MEAN: tuple[Rule, ...] = (
    (r"(?:sub|add)_mean\.(?:shifter\.)?weight", None),
    (r"sub_mean\.(?:shifter\.)?bias", "subtract_mean.mean"),
    (r"add_mean\.(?:shifter\.)?bias", "add_mean.mean"),
)

EDSR_HEAD: tuple[Rule, ...] = (
    *MEAN,
    (rf"head\.0\.{WB}", r"head.\1"),
    (rf"body\.\d+\.{WB}", r"body_end.\1"),
)

EDSR_TAIL: tuple[Rule, ...] = (
    (rf"tail\.0\.(\d+)\.{WB}", r"upsampler.\1.\2"),
    (rf"tail\.1\.{WB}", r"tail.\1"),
)

BASICSR: tuple[Rule, ...] = (
    (rf"conv_first\.{WB}", r"head.\1"),
    (rf"conv_after_body\.{WB}", r"body_end.\1"),
    (rf"upsample\.(\d+)\.{WB}", r"upsampler.\1.\2"),
    (rf"conv_last\.{WB}", r"tail.\1"),
)

CARN: tuple[Rule, ...] = (
    *MEAN,
    (rf"entry\.{WB}", r"head.\1"),
    (rf"b(\d)\.c(\d)\.body\.0\.{WB}", numbered("body.units.{0}.joins.{1}.{2}", -1, -1)),
    (rf"c(\d)\.body\.0\.{WB}", numbered("body.joins.{0}.{1}", -1)),
    (rf"upsample\.up(\d?)\.body\.(\d+)\.{WB}", r"upsamplers.\1.\2.\3"),
    (rf"exit\.{WB}", r"tail.\1"),
)


def dense_block(trunk: str, name: str) -> tuple[Rule, ...]:
    """The names within an RRDB trunk; `name` is a dense block's, the number of which follows."""
    pattern = rf"{trunk}\.(\d+)\.{name}(\d)\.conv(\d)(?:\.0)?\.{WB}"
    return ((pattern, numbered("body.{0}.dense.{1}.convs.{2}.{3}", 0, -1, -1)),)


def old_esrgan(match: re.Match[str]) -> str:
    """The layers behind ESRGAN's trunk, counted with all that stands between them: those behind an
    enlargement are at 3, 6 ..., the last two at two and four places behind them."""
    at, part = int(match[1]), match[2]
    if at % 3 == 0:
        return f"upconvs.{at // 3 - 1}.{part}"
    return f"{'tail' if at % 3 == 2 else 'end'}.{part}"


def projections(match: re.Match[str]) -> str:
    """A layer of DBPN's up- or down-projections."""
    way, stage, _, step, part, suffix = match.groups()
    ours = "gather" if step is None else ("there", "back", "again")[int(step) - 1]
    return f"{way}s.{int(stage) - 1}.{ours}.{'1' if part == 'act' else '0'}.{suffix}"


EDSR = "EDSR-PyTorch"
LORNATANG = "Lornatang's"
YJN870 = "yjn870's"

LAYOUTS = (
    Layout(
        EDSR,
        "edsr",
        (
            *EDSR_HEAD,
            (rf"body\.(\d+)\.body\.([02])\.{WB}", lambda m: f"body.{m[1]}.{pair(m[2])}.{m[3]}"),
            *EDSR_TAIL,
        ),
        255,
    ),
    Layout(
        EDSR,
        "mdsr",
        (
            *EDSR_HEAD,
            (
                rf"pre_process\.(\d+)\.(\d)\.body\.([02])\.{WB}",
                lambda m: f"entrances.{m[1]}.{m[2]}.{pair(m[3])}.{m[4]}",
            ),
            (rf"body\.(\d+)\.body\.([02])\.{WB}", lambda m: f"body.{m[1]}.{pair(m[2])}.{m[3]}"),
            (rf"upsample\.(\d+)\.(\d+)\.{WB}", r"upsamplers.\1.\2.\3"),
            (rf"tail\.0\.{WB}", r"tail.\1"),
        ),
        255,
    ),
    Layout(
        EDSR,
        "rcan",
        (
            *EDSR_HEAD,
            (
                rf"body\.(\d+)\.body\.(\d+)\.body\.([02])\.{WB}",
                lambda m: f"body.{m[1]}.blocks.{m[2]}.{pair(m[3])}.{m[4]}",
            ),
            (
                rf"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.([02])\.{WB}",
                lambda m: f"body.{m[1]}.blocks.{m[2]}.attention.{attention(m[3])}.{m[4]}",
            ),
            (rf"body\.(\d+)\.body\.\d+\.{WB}", r"body.\1.end.\2"),
            *EDSR_TAIL,
        ),
        255,
    ),
    Layout(
        "BasicSR",
        "edsr",
        (*BASICSR, (rf"body\.(\d+)\.conv([12])\.{WB}", r"body.\1.conv\2.\3")),
        255,
    ),
    Layout(
        "BasicSR",
        "rcan",
        (
            *BASICSR,
            (
                rf"body\.(\d+)\.residual_group\.(\d+)\.rcab\.([02])\.{WB}",
                lambda m: f"body.{m[1]}.blocks.{m[2]}.{pair(m[3])}.{m[4]}",
            ),
            (
                rf"body\.(\d+)\.residual_group\.(\d+)\.rcab\.3\.attention\.([13])\.{WB}",
                lambda m: f"body.{m[1]}.blocks.{m[2]}.attention.{attention(m[3])}.{m[4]}",
            ),
            (rf"body\.(\d+)\.conv\.{WB}", r"body.\1.end.\2"),
        ),
        255,
    ),
    Layout(
        "BasicSR",
        "msrresnet",
        (
            (rf"conv_first\.{WB}", r"head.\1"),
            (rf"body\.(\d+)\.conv([12])\.{WB}", r"body.\1.conv\2.\3"),
            (rf"upconv1\.{WB}", r"upsampler.0.\1"),
            (rf"upconv2\.{WB}", r"upsampler.3.\1"),
            (rf"conv_hr\.{WB}", r"tail.\1"),
            (rf"conv_last\.{WB}", r"end.\1"),
        ),
    ),
    Layout(
        "BasicSR",
        "rrdb",
        (
            (rf"conv_first\.{WB}", r"head.\1"),
            *dense_block("body", "rdb"),
            (rf"conv_body\.{WB}", r"body_end.\1"),
            (rf"conv_up(\d)\.{WB}", numbered("upconvs.{0}.{1}", -1)),
            (rf"conv_hr\.{WB}", r"tail.\1"),
            (rf"conv_last\.{WB}", r"end.\1"),
        ),
    ),
    Layout(
        "ESRGAN",
        "rrdb",
        (
            (rf"conv_first\.{WB}", r"head.\1"),
            *dense_block("RRDB_trunk", "RDB"),
            (rf"trunk_conv\.{WB}", r"body_end.\1"),
            (rf"upconv(\d)\.{WB}", numbered("upconvs.{0}.{1}", -1)),
            (rf"HRconv\.{WB}", r"tail.\1"),
            (rf"conv_last\.{WB}", r"end.\1"),
        ),
    ),
    Layout(
        "early ESRGAN",
        "rrdb",
        (
            (rf"model\.0\.{WB}", r"head.\1"),
            *dense_block(r"model\.1\.sub", "RDB"),
            (rf"model\.1\.sub\.\d+\.{WB}", r"body_end.\1"),
            (rf"model\.(\d+)\.{WB}", old_esrgan),
        ),
    ),
    Layout("Real-ESRGAN", "compact", ((rf"(body\.\d+\.{WB})", r"\1"),)),
    Layout(
        "CARN-pytorch",
        "carn",
        (
            *CARN,
            (
                rf"b(\d)\.b(\d)\.body\.([02])\.{WB}",
                lambda m: f"body.units.{int(m[1]) - 1}.units.{int(m[2]) - 1}.0.{pair(m[3])}.{m[4]}",
            ),
        ),
    ),
    Layout(
        "CARN-pytorch",
        "carn_m",
        (
            *CARN,
            (
                rf"b(\d)\.b(\d)\.body\.([024])\.{WB}",
                numbered("body.units.{0}.units.{1}.0.{2}.{3}", -1, -1),
            ),
        ),
    ),
    Layout("pytorch-vdsr", "vdsr", ((r"features\.(\d+)\.weight", halved("layers.{0}.weight")),)),
    Layout(
        LORNATANG,
        "vdsr",
        (
            (r"conv1\.0\.weight", "layers.0.weight"),
            (r"trunk\.(\d+)\.conv\.weight", numbered("layers.{0}.weight", 1)),
            (r"conv2\.weight", "layers.19.weight"),
        ),
    ),
    Layout(
        YJN870,
        "srcnn",
        (
            (rf"conv1\.{WB}", r"extract.\1"),
            (rf"conv2\.{WB}", r"map.\1"),
            (rf"conv3\.{WB}", r"reconstruct.\1"),
        ),
    ),
    Layout(
        LORNATANG,
        "srcnn",
        (
            (rf"features\.0\.{WB}", r"extract.\1"),
            (rf"map\.0\.{WB}", r"map.\1"),
            (rf"reconstruction\.{WB}", r"reconstruct.\1"),
        ),
    ),
    Layout(
        YJN870,
        "fsrcnn",
        (
            (rf"first_part\.(\d+)\.{WB}", r"layers.\1.\2"),
            (rf"mid_part\.(\d+)\.{WB}", numbered("layers.{0}.{1}", 2)),
            (rf"last_part\.{WB}", r"enlarge.\1"),
        ),
    ),
    Layout(
        LORNATANG,
        "fsrcnn",
        (
            (rf"feature_extraction\.(\d+)\.{WB}", r"layers.\1.\2"),
            (rf"shrink\.(\d+)\.{WB}", numbered("layers.{0}.{1}", 2)),
            (rf"map\.(\d+)\.{WB}", numbered("layers.{0}.{1}", 4)),
            (rf"expand\.(\d+)\.{WB}", numbered("layers.{0}.{1}", 12)),
            (rf"deconv\.{WB}", r"enlarge.\1"),
        ),
    ),
    Layout(
        YJN870,
        "espcn",
        (
            (rf"first_part\.0\.{WB}", r"extract.\1"),
            (rf"first_part\.2\.{WB}", r"map.\1"),
            (rf"last_part\.0\.{WB}", r"reconstruct.\1"),
        ),
    ),
    Layout(
        LORNATANG,
        "espcn",
        (
            (rf"feature_maps\.0\.{WB}", r"extract.\1"),
            (rf"feature_maps\.2\.{WB}", r"map.\1"),
            (rf"sub_pixel\.0\.{WB}", r"reconstruct.\1"),
        ),
    ),
    Layout(
        LORNATANG,
        "srresnet",
        (
            (r"conv(?:_block)?1\.(\d\.\w+)", r"head.\1"),
            (r"trunk\.(\d+)\.rcb\.(\d\.\w+)", r"body.\1.\2"),
            (r"conv(?:_block)?2\.(\d\.\w+)", r"body_end.\1"),
            (
                r"upsampling\.(\d)\.upsample_block\.(\d)\.(\w+)",
                lambda m: f"upsampler.{3 * int(m[1]) + int(m[2])}.{m[3]}",
            ),
            (rf"conv(?:_block)?3\.{WB}", r"tail.\1"),
        ),
    ),
    Layout(
        "DBPN-Pytorch",
        "dbpn",
        (
            (r"feat([01])\.conv\.(\w+)", r"head.\1.0.\2"),
            (r"feat([01])\.act\.(\w+)", r"head.\1.1.\2"),
            (
                r"(up|down)(\d+)\.(?:conv|((?:up|down)_conv)(\d))\.(conv|deconv|act)\.(\w+)",
                projections,
            ),
            (rf"output_conv\.conv\.{WB}", r"tail.\1"),
        ),
    ),
)


def pair(at: str) -> str:
    """Which of a residual block's two convolutions stands at this place, a ReLU between them."""
    return "conv1" if at == "0" else "conv2"


def attention(at: str) -> str:
    """Which of channel attention's two convolutions stands at this place."""
    return "squeeze" if at in "01" else "excite"
