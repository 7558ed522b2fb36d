"""Any timm `features_only` encoder, projected to one width: the click-independent half."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import timm
from torch import Tensor, nn

if TYPE_CHECKING:
    from timm.models import FeatureInfo

STRIDES = (4, 8, 16, 32)


class PyramidEncoder(nn.Module):
    """Image → laterally projected features at strides 4, 8, 16 and 32.

    Parameters
    ----------
    name : str
        timm model name.
    channels : int
        Channels of each level.

    Raises
    ------
    ValueError
        If timm does not know the name, or the model lacks one of the strides.
    """

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.backbone = _create_backbone(name)
        widths = feature_info(self.backbone).channels()
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for width in widths
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) normalised → four maps (B, channels, H / s, W / s), finest first."""
        features = self.backbone(image)
        return tuple(lateral(level) for lateral, level in zip(self.laterals, features, strict=True))


def feature_info(backbone: nn.Module) -> FeatureInfo:
    """Timm's description of the levels that a `features_only` model returns."""
    return cast("FeatureInfo", backbone.feature_info)


def _create_backbone(name: str) -> nn.Module:
    if not timm.is_model(name):
        known = ", ".join(timm.list_models(f"*{name[:6]}*")[:5]) or "timm.list_models()"
        raise ValueError(f"expected the name of a timm encoder, got {name!r}; known are {known}")
    reductions = feature_info(timm.create_model(name, features_only=True)).reduction()
    missing = [stride for stride in STRIDES if stride not in reductions]
    if missing:
        raise ValueError(
            f"expected an encoder with features at strides {STRIDES}, got {name!r} with "
            f"{reductions}; choose a convolutional or hierarchical encoder"
        )
    levels = [reductions.index(stride) for stride in STRIDES]
    backbone: nn.Module = timm.create_model(name, features_only=True, out_indices=levels)
    return backbone
