"""HRNet and SegFormer as networks of the `paper` fusion: side features enter behind the stem.

Beside the reference implementation's, whose checkpoints they do not load, their heads are compact:
what differs is said of each.

References
----------
Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for Interactive Segmentation",
ICIP 2022.
Yuan et al., "Object-Contextual Representations for Semantic Segmentation", ECCV 2020.
Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
NeurIPS 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_gpcis.model.encoder import create_hrnet, create_segformer
from napari_gpcis.model.paper_parts import (
    conv_norm_relu,
    initialise_like_the_paper,
    side_branch,
    upsample,
)

OUTPUT_STRIDE = 32
HRNET_STEM = 64
CONTEXT_WIDTH = 96
MLP_WIDTH = 256


class ContextHRNet(nn.Module):
    """HRNet with the context of the one object that there is.

    The reference's object-contextual head gathers one region per class by a softmax over the
    pixels and lets every pixel attend to the regions. With a single class that attention is 1, so
    here the region's mean goes to all pixels as it is; its scores have no loss of their own.

    Parameters
    ----------
    encoder : str
        timm's name of an HRNet, such as ``hrnet_w18_small_v2``.
    out_channels : int
    side_channels : int
        Channels of the auxiliary raster: previous mask and click disks.
    """

    def __init__(self, encoder: str, out_channels: int, side_channels: int) -> None:
        super().__init__()
        hrnet = create_hrnet(encoder)
        widths = hrnet.feature_info.channels()[-4:]
        self.side = side_branch(side_channels, HRNET_STEM, stride=2)
        self.merge = nn.Sequential(*conv_norm_relu(sum(widths), CONTEXT_WIDTH, rate=1))
        self.scores = nn.Conv2d(CONTEXT_WIDTH, 1, 1)
        self.context = nn.Conv2d(CONTEXT_WIDTH, CONTEXT_WIDTH, 1)
        self.head = nn.Sequential(
            *conv_norm_relu(2 * CONTEXT_WIDTH, CONTEXT_WIDTH),
            nn.Conv2d(CONTEXT_WIDTH, out_channels, 1),
        )
        self.apply(initialise_like_the_paper)
        self.encoder = hrnet

    def forward(self, image: Tensor, auxiliary: Tensor) -> Tensor:
        """Compute the head's output at stride 4; as `DeepLab.forward`."""
        hrnet = self.encoder
        stem = hrnet.act1(hrnet.bn1(hrnet.conv1(image))) + self.side(auxiliary)
        branches = hrnet.stages(hrnet.act2(hrnet.bn2(hrnet.conv2(stem))))
        size = branches[0].shape[-2:]
        merged = self.merge(torch.cat([upsample(branch, size) for branch in branches], 1))
        attention = self.scores(merged).flatten(2).softmax(-1)
        region = (merged.flatten(2) @ attention.transpose(1, 2)).unsqueeze(-1)
        context = F.relu(self.context(region)).expand_as(merged)
        features: Tensor = self.head(torch.cat([merged, context], 1))
        return features


class PaperSegFormer(nn.Module):
    """SegFormer with its all-MLP head, without that head's dropout.

    Side features are added to the first patch embeddings, at stride 4.

    Parameters
    ----------
    encoder : str
        Such as ``segformer_b0``.
    out_channels : int
    side_channels : int
        Channels of the auxiliary raster: previous mask and click disks.
    """

    def __init__(self, encoder: str, out_channels: int, side_channels: int) -> None:
        super().__init__()
        segformer = create_segformer(encoder)
        widths = segformer.config.hidden_sizes
        self.side = side_branch(side_channels, widths[0], stride=4)
        self.levels = nn.ModuleList(nn.Conv2d(width, MLP_WIDTH, 1) for width in widths)
        self.head = nn.Sequential(
            *conv_norm_relu(len(widths) * MLP_WIDTH, MLP_WIDTH),
            nn.Conv2d(MLP_WIDTH, out_channels, 1),
        )
        self.apply(initialise_like_the_paper)
        self.encoder = segformer

    def forward(self, image: Tensor, auxiliary: Tensor) -> Tensor:
        """Compute the head's output at stride 4; as `DeepLab.forward`."""
        stages = self.encoder(image, self.side(auxiliary))
        size = stages[0].shape[-2:]
        levels = [
            F.interpolate(level(stage), size, mode="bilinear", align_corners=False)
            for level, stage in zip(self.levels, stages, strict=True)
        ]
        features: Tensor = self.head(torch.cat(levels, 1))
        return features
