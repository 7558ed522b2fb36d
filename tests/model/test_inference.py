from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_gpcis.model import NetworkConfig, build_network
from napari_gpcis.model.inference import inference_copy
from tests.engine.conftest import SMALL

CPU = torch.device("cpu")


def with_statistics(network):
    """Batch norms that would be missed."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network


def batch_norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("encoder", ["test_resnet", "test_efficientnet", "mobilenetv2_100"])
def test_the_copy_computes_the_same_without_batch_norms(encoder):
    torch.manual_seed(0)
    network = with_statistics(build_network(NetworkConfig(**{**SMALL, "encoder": encoder})))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fast = inference_copy(network, CPU)
    assert batch_norms(fast) <= 1 < batch_norms(network)
    image, clicks = torch.rand(1, 3, 64, 96), [torch.tensor([[20.0, 30.0, 1.0]])]
    with torch.inference_mode():
        torch.testing.assert_close(
            fast(image, clicks), network(image, clicks), rtol=1e-3, atol=1e-3
        )
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


class Crossed(nn.Module):
    """Calls its norm before its convolution, though it comes after it in the listing."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, image):
        return self.convolution(self.norm(image))


def test_an_encoder_that_cannot_be_folded_is_left_alone():
    torch.manual_seed(0)
    network = build_network(NetworkConfig(**SMALL))
    encode = type(network.fusion).encode
    network.fusion.crossed = with_statistics(Crossed())
    network.fusion.__class__ = type(
        "Odd",
        (type(network.fusion),),
        {"encode": lambda self, image: encode(self, self.crossed(image))},
    )
    network.eval()
    fast = inference_copy(network, CPU)
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for given, wanted in zip(fast.encode(image), network.encode(image), strict=True):
            torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)
    assert batch_norms(fast) == batch_norms(network)
