"""Any timm `features_only` encoder, or SegFormer's, projected to one width: click-independent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import timm
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timm.models import FeatureInfo

STRIDES = (4, 8, 16, 32)


class PyramidEncoder(nn.Module):
    """Image → laterally projected features at strides 4, 8, 16 and 32.

    Parameters
    ----------
    name : str
        timm model name, or ``segformer_b0``.
    channels : int
        Channels of each level.

    Raises
    ------
    ValueError
        If the name is unknown, the model lacks one of the strides, or its package is missing.
    """

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.backbone, widths, self._levels = _create_backbone(name)
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for width in widths
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) normalised → four maps (B, channels, H / s, W / s), finest first."""
        features = self.backbone(image)
        return tuple(
            lateral(features[level])
            for lateral, level in zip(self.laterals, self._levels, strict=True)
        )


class _Backbone(NamedTuple):
    """A module that returns a list of features, and where in it those of `STRIDES` are."""

    module: nn.Module
    widths: list[int]
    levels: list[int]


def published_state(backbone: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a published encoder to the names that our copy of it has.

    Parameters
    ----------
    backbone : nn.Module
        Of timm, whose names are the published ones, or of transformers, whose names change
        between its versions.
    state : mapping of str to Tensor
        As published: of the encoder, or of a model that contains it.

    Returns
    -------
    dict of str to Tensor
    """
    own_name = getattr(backbone, "own_name", str)
    return {own_name(name): tensor for name, tensor in state.items()}


def create_segformer(name: str) -> Any:  # its class is there only where transformers is
    """SegFormer's encoder with random weights.

    Raises
    ------
    ValueError
        If `transformers` is not installed, or SegFormer has no such variant.
    """
    try:
        from napari_gpcis.model.segformer import MixTransformer, mix_transformer_config
    except ModuleNotFoundError as error:
        raise ValueError(
            f"expected the package {error.name} for the encoder {name!r}, got none; "
            "install it with: pip install 'napari-gpcis[segformer]'"
        ) from error
    return MixTransformer(mix_transformer_config(name))


def create_hrnet(name: str) -> Any:  # of its layers, timm declares no types
    """HRNet with random weights, which returns stem and four branches, no wider classifier."""
    return timm.create_model(name, features_only=True, feature_location="")


def is_segformer(name: str) -> bool:
    """Tell whether an encoder comes from transformers."""
    return name.startswith("segformer")


def is_hrnet(name: str) -> bool:
    """Tell whether an encoder is one of timm's HRNets."""
    return name.startswith("hrnet") and timm.is_model(name)


def _create_backbone(name: str) -> _Backbone:
    if is_segformer(name):
        backbone = create_segformer(name)
        return _Backbone(backbone, backbone.config.hidden_sizes, list(range(len(STRIDES))))
    if not timm.is_model(name):
        known = ", ".join(timm.list_models(f"*{name[:6]}*")[:5]) or "timm.list_models()"
        raise ValueError(f"expected the name of a timm encoder, got {name!r}; known are {known}")
    create = create_hrnet if is_hrnet(name) else _create_timm
    backbone = create(name)
    info = cast("FeatureInfo", backbone.feature_info)
    reductions = info.reduction()
    missing = [stride for stride in STRIDES if stride not in reductions]
    if missing:
        raise ValueError(
            f"expected an encoder with features at strides {STRIDES}, got {name!r} with "
            f"{reductions}; choose a convolutional or hierarchical encoder"
        )
    levels = [reductions.index(stride) for stride in STRIDES]
    return _Backbone(backbone, [info.channels()[level] for level in levels], levels)


def _create_timm(name: str) -> nn.Module:
    backbone: nn.Module = timm.create_model(name, features_only=True)
    return backbone
