from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_gpcis.model import NetworkConfig, SegmentationNetwork, build_network
from napari_gpcis.model.deeplab import DeepLab

if TYPE_CHECKING:
    from collections.abc import Iterator

CLICKS = [torch.tensor([[10.0, 12.0, 1.0]]), torch.tensor([[20.0, 3.0, 1.0], [4.0, 30.0, -1.0]])]


@pytest.fixture
def network() -> Iterator[SegmentationNetwork]:
    torch.manual_seed(0)
    network = build_network(NetworkConfig(fusion="paper", encoder="test_resnet", feature_dim=8))
    # as initialised, 0.05, clicks are all but invisible in random features
    torch.nn.init.constant_(network.get_parameter("fusion.deeplab.side.3.scale"), 5.0)
    with torch.inference_mode():
        yield network


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 24, 40, generator=torch.Generator().manual_seed(1))


def test_the_embedding_is_the_normalised_image(
    network: SegmentationNetwork, image: torch.Tensor
) -> None:
    (embedding,) = network.encode(image)

    assert network.pyramid_strides == (1,)
    assert torch.equal(embedding, network.colour(image))


def test_every_pixel_gets_deep_features(network: SegmentationNetwork, image: torch.Tensor) -> None:
    deep = network.decode(network.encode(image), CLICKS, None)

    assert network.grid_stride == 1
    assert deep.shape == (2, 8, 24, 40)


def test_features_have_unit_length_before_they_are_interpolated(
    network: SegmentationNetwork, image: torch.Tensor
) -> None:
    length = network.decode(network.encode(image), CLICKS, None).norm(dim=1)

    corners = length[:, :: 24 - 1, :: 40 - 1]
    torch.testing.assert_close(corners, torch.ones(2, 2, 2))
    assert length.max() <= 1 + 1e-5
    assert length.min() < 0.999


def test_clicks_and_the_previous_mask_change_the_features(
    network: SegmentationNetwork, image: torch.Tensor
) -> None:
    embedding = network.encode(image)
    none = [torch.zeros(0, 3)] * 2
    swapped = [item * torch.tensor([1.0, 1.0, -1.0]) for item in CLICKS]

    variants = [
        network.decode(embedding, none, None),
        network.decode(embedding, CLICKS, None),
        network.decode(embedding, swapped, None),
        network.decode(embedding, CLICKS, torch.ones(2, 1, 24, 40)),
    ]

    for position, first in enumerate(variants):
        for second in variants[position + 1 :]:
            assert (first - second).abs().max() > 1e-3


def test_sizes_are_multiples_of_eight(network: SegmentationNetwork) -> None:
    with pytest.raises(ValueError, match=r"multiples of 8 px.*pad to 24×32"):
        network.encode(torch.rand(1, 3, 20, 32))


@pytest.mark.parametrize("encoder", ["mobilenetv2_100", "no_such_encoder", "hf-hub:timm/resnet50s"])
def test_an_encoder_that_is_no_resnet_is_refused(encoder: str) -> None:
    with pytest.raises(ValueError, match=r"expected a ResNet of timm.*resnet50s"):
        DeepLab(encoder, 8, 3)


def test_training_reaches_every_parameter_but_the_unused_side_channels(image: torch.Tensor) -> None:
    torch.manual_seed(0)
    deeplab = DeepLab("test_resnet", 8, 3).train()
    # timm starts each block as the identity, behind which nothing has a gradient yet
    for module in deeplab.encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)

    features = deeplab(image, torch.rand(2, 3, 24, 40))
    (features * torch.randn_like(features)).sum().backward()

    assert features.shape == (2, 8, 6, 10)
    for name, parameter in deeplab.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    stem_width = deeplab.encoder.bn1.num_features
    unused = deeplab.side[2].weight.grad[stem_width:]
    assert len(unused) > 0
    assert unused.abs().max() == 0
