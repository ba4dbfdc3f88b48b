"""What training makes small."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.errors import InputError


def charbonnier(sr: Tensor, hr: Tensor, epsilon: float = 1e-3) -> Tensor:
    """The mean of sqrt(difference^2 + epsilon^2): L1 without its corner.

    Source: Lai et al., "Deep Laplacian Pyramid Networks" (2017), section 3.3.
    """
    return torch.sqrt((sr - hr) ** 2 + epsilon**2).mean()


def gradient(sr: Tensor, hr: Tensor) -> Tensor:
    """L1 between the first differences of both pictures, down and across.

    Source: the gradient difference loss of Mathieu et al., "Deep Multi-Scale Video Prediction
    Beyond Mean Square Error" (2016), section 3.2, with signs kept.
    """
    difference = sr - hr
    down = difference[..., 1:, :] - difference[..., :-1, :]
    across = difference[..., 1:] - difference[..., :-1]
    return down.abs().mean() + across.abs().mean()


def structure(sr: Tensor, hr: Tensor) -> Tensor:
    """1 - SSIM: how far contrast and pattern are from the truth's, wherever SSIM's window fits.

    Shapes: (n, c, h, w) in [0, 1], h and w at least 11.
    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity"
    (2004), section III.B, for SSIM; Zhao et al., "Loss Functions for Image Restoration with Neural
    Networks" (2017), section III.B, for making it small beside L1.
    """
    places = torch.arange(-5, 6, dtype=sr.dtype, device=sr.device)
    line = torch.exp(-(places**2) / (2 * 1.5**2))
    window = torch.outer(line, line) / line.sum() ** 2

    def smooth(x: Tensor) -> Tensor:
        return F.conv2d(x.flatten(0, 1).unsqueeze(1), window[None, None])

    mean_a, mean_b = smooth(sr), smooth(hr)
    var_a, var_b = smooth(sr * sr) - mean_a**2, smooth(hr * hr) - mean_b**2
    shared = smooth(sr * hr) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return 1 - (light * (2 * shared + c2) / (var_a + var_b + c2)).mean()


class VggFeatures(nn.Module):
    """VGG-19 up to its layer conv5_4, before the activation.

    Shapes: (n, 1 or 3, h, w) in [0, 1] -> (n, 512, h / 16, w / 16).
    Source: Wang et al., "ESRGAN" (2018), section 3.3; layers from Simonyan and Zisserman (2015),
    configuration E; means and deviations of ImageNet.
    """

    mean: Tensor
    deviation: Tensor

    WIDTHS = (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4)
    """Of the convolutions; 0 is a pooling."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in self.WIDTHS:
            if width:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.features((x.expand(-1, 3, -1, -1) - self.mean) / self.deviation)

    def distance(self, sr: Tensor, hr: Tensor) -> Tensor:
        """L1 between the features of both pictures."""
        return F.l1_loss(self(sr), self(hr))


def read_vgg(file: Path) -> VggFeatures:
    """VGG-19 from torchvision's state dict. Raises InputError where the file holds none."""
    vgg = VggFeatures()
    try:
        kept = torch.load(file, map_location="cpu", weights_only=True)
        wanted = vgg.state_dict().keys() - {"mean", "deviation"}
        vgg.load_state_dict({name: kept[name] for name in wanted}, strict=False)
    except Exception as error:  # whatever is wrong with a file of the user's
        raise InputError(f"{file}: not torchvision's state dict of VGG-19 ({error})") from error
    return vgg.eval()


def relativistic_losses(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The generator's and the discriminator's loss, from what the latter says of either.

    Source: ESRGAN, section 3.2, equations 1 and 2 (Jolicoeur-Martineau, 2018).
    """

    def loss(more: Tensor, less: Tensor) -> Tensor:
        ones, zeros = torch.ones_like(more), torch.zeros_like(less)
        a = F.binary_cross_entropy_with_logits(more - less.mean(), ones)
        b = F.binary_cross_entropy_with_logits(less - more.mean(), zeros)
        return (a + b) / 2

    return loss(fake, real), loss(real, fake)


PIXEL_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
}
