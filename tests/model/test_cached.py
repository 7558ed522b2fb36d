"""The cached network: any timm encoder, run once; clicks enter in the decoder."""

from __future__ import annotations

import pytest
import torch

from napari_gpcis.model import NetworkConfig, SegmentationNetwork, build_network

SIZE = (64, 96)
CLICKS = torch.tensor([[20.0, 30.0, 1.0], [50.0, 70.0, -1.0]])


def tiny(**changes: object) -> SegmentationNetwork:
    torch.manual_seed(0)
    settings = {"encoder": "test_resnet", "channels": 8, "feature_dim": 8, "fourier_features": 16}
    return build_network(NetworkConfig(**{**settings, **changes})).requires_grad_(False)


def images(count: int, size: tuple[int, int] = SIZE, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("head", ["gp", "conv"])
@pytest.mark.parametrize("encoder", ["test_resnet", "mobilenetv2_100", "mobilenetv4_conv_small"])
def test_logits_have_the_images_size_with_any_encoder(encoder: str, head: str) -> None:
    network = tiny(encoder=encoder, head=head)
    logits = network(images(2), [CLICKS, CLICKS[:1]], torch.rand(2, 1, *SIZE))
    assert logits.shape == (2, 1, *SIZE)
    assert torch.isfinite(logits).all()


def test_the_pyramid_has_the_announced_strides_and_widths() -> None:
    network = tiny()
    levels = network.encode(images(1))
    assert [tuple(level.shape) for level in levels] == [
        (1, 8, SIZE[0] // stride, SIZE[1] // stride) for stride in network.pyramid_strides
    ]


def test_deep_features_have_unit_length_on_a_grid_of_stride_4() -> None:
    network = tiny()
    deep = network.decode(network.encode(images(1)), [CLICKS])
    assert deep.shape == (1, 8, SIZE[0] // 4, SIZE[1] // 4)
    torch.testing.assert_close(deep.norm(dim=1), torch.ones(1, SIZE[0] // 4, SIZE[1] // 4))


def test_clicks_and_previous_mask_change_the_features() -> None:
    network = tiny()
    pyramid = network.encode(images(1))
    nothing = network.decode(pyramid, [torch.zeros(0, 3)])
    assert not torch.allclose(nothing, network.decode(pyramid, [CLICKS]))
    assert not torch.allclose(
        nothing, network.decode(pyramid, [CLICKS[:0]], torch.ones(1, 1, *SIZE))
    )
    flipped = CLICKS * torch.tensor([1.0, 1.0, -1.0])
    assert not torch.allclose(network.decode(pyramid, [flipped]), network.decode(pyramid, [CLICKS]))


def test_clicked_pixels_come_out_as_clicked() -> None:
    logits = tiny()(images(1), [CLICKS])[0, 0]
    assert logits[20, 30] > 0 > logits[50, 70]


def test_images_of_a_batch_do_not_see_each_other() -> None:
    network = tiny()
    both = network(images(2), [CLICKS, CLICKS[:1]])
    alone = network(images(2)[1:], [CLICKS[:1]])
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-4)


def test_a_wrong_size_is_an_error_that_names_the_padding() -> None:
    with pytest.raises(ValueError, match="multiples of 32 px, got 60×96; pad to 64×96"):
        tiny().encode(images(1, (60, 96)))


def test_an_unknown_encoder_is_an_error() -> None:
    with pytest.raises(ValueError, match="name of a timm encoder, got 'no_such_encoder'"):
        tiny(encoder="no_such_encoder")


def test_an_encoder_without_a_pyramid_is_an_error() -> None:
    with pytest.raises(ValueError, match="features at strides"):
        tiny(encoder="vit_tiny_patch16_224")


@pytest.mark.parametrize(
    "change", [{"head": "mlp"}, {"fusion": "late"}, {"channels": 0}, {"object_diameter": -1.0}]
)
def test_a_wrong_setting_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        NetworkConfig(**change)


def test_the_conv_head_promises_nothing_but_has_all_maps() -> None:
    network = tiny(head="conv")
    deep = network.decode(network.encode(images(1)), [CLICKS])
    prediction = network.classify(deep, network.colour(images(1)), [CLICKS])
    torch.testing.assert_close(prediction.prior + prediction.update, prediction.logits)
    variance = prediction.variance()
    assert variance.shape == prediction.logits.shape
    assert 0 <= float(variance.min()) <= float(variance.max()) <= 0.25


def test_the_gp_heads_parts_add_up_and_variance_is_small_at_clicks() -> None:
    network = tiny()
    deep = network.decode(network.encode(images(1)), [CLICKS])
    prediction = network.classify(deep, network.colour(images(1)), [CLICKS])
    torch.testing.assert_close(
        prediction.prior + prediction.update, prediction.logits, rtol=1e-4, atol=1e-4
    )
    variance = prediction.variance()[0, 0]
    assert float(variance[20, 30]) < 1e-3
    assert float(variance[50, 70]) < 1e-3
    assert float(variance.max()) > 0.05
