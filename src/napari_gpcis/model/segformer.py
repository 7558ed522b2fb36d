"""SegFormer's encoder, the Mix Transformer, through `transformers`; import it only when needed.

References
----------
Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
NeurIPS 2021.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from transformers import SegformerConfig, SegformerModel

if TYPE_CHECKING:
    from torch import Tensor

B0 = "segformer_b0"
_PUBLISHED = (
    (r"^segformer\.", ""),
    (r"^encoder\.patch_embeddings\.(\d+)", r"stages.\1.patch_embeddings"),
    (r"^encoder\.block\.(\d+)", r"stages.\1.blocks"),
    (r"^encoder\.layer_norm\.(\d+)", r"stages.\1.layer_norm"),
    (r"\.attention\.self\.(query|key|value)", lambda found: f".attention.{found[1][0]}_proj"),
    (r"\.attention\.self\.sr", ".attention.sequence_reduction.sequence_reduction"),
    (r"\.attention\.self\.layer_norm", ".attention.sequence_reduction.layer_norm"),
    (r"\.attention\.output\.dense", ".attention.o_proj"),
    (r"\.mlp\.dense(\d)", r".mlp.fc\1"),
    (r"\.layer_norm_1", ".layernorm_before"),
    (r"\.layer_norm_2", ".layernorm_after"),
)


class MixTransformer(SegformerModel):  # type: ignore[no-untyped-call]
    """The encoder, whose `forward` returns every stage and takes side features on board.

    Parameters
    ----------
    config : SegformerConfig
    """

    def forward(self, image: Tensor, side: Tensor | None = None) -> list[Tensor]:
        """Compute the features of all stages.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            Normalised.
        side : Tensor, shape (B, C, H / 4, W / 4), optional
            Added to the first stage's patch embeddings.

        Returns
        -------
        list of Tensor, each of shape (B, C, H / s, W / s)
            Features at strides 4, 8, 16 and 32.
        """
        features = [image]
        for stage in cast("Any", self.stages):
            tokens, height, width = stage.patch_embeddings(features[-1])
            if side is not None and len(features) == 1:
                tokens = tokens + side.flatten(2).transpose(1, 2)
            for block in stage.blocks:
                tokens = block(tokens, height, width)
            tokens = stage.layer_norm(tokens)
            features.append(tokens.transpose(1, 2).unflatten(2, (height, width)).contiguous())
        return features[1:]

    @staticmethod
    def own_name(name: str) -> str:
        """Name here of a tensor that published weights, as of transformers 4, name otherwise."""
        for pattern, replacement in _PUBLISHED:
            name = re.sub(pattern, replacement, name)
        return name


def mix_transformer_config(name: str) -> SegformerConfig:
    """Sizes of a variant: ``segformer_b0``.

    Raises
    ------
    ValueError
        If there is no such variant.
    """
    if name != B0:
        raise ValueError(f"expected {B0!r} as SegFormer encoder, got {name!r}; take that one")
    return SegformerConfig(
        hidden_sizes=[32, 64, 160, 256],
        depths=[2, 2, 2, 2],
        num_attention_heads=[1, 2, 5, 8],
        sr_ratios=[8, 4, 2, 1],
    )
