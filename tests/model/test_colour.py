from __future__ import annotations

import pytest
import torch

from napari_gpcis.model import NetworkConfig, build_network
from napari_gpcis.model.colour import RADIUS, smooth_colour


def test_noise_is_averaged_and_an_edge_stays() -> None:
    torch.manual_seed(0)
    clean = torch.zeros(1, 1, 40, 40)
    clean[..., 20:] = 0.8
    noisy = clean + 0.03 * torch.randn(clean.shape)
    smooth = smooth_colour(noisy, 0.1)
    away = torch.cat([smooth[..., 4:14] - 0.0, smooth[..., 26:36] - 0.8], -1)
    assert away.std() < 0.4 * 0.03
    assert (smooth[..., 20] - smooth[..., 19]).mean() > 0.7


def test_without_contrast_the_image_stays_as_it_is() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert smooth_colour(image, 0.0) is image


def test_tiles_agree_with_the_whole() -> None:
    image = torch.rand(1, 3, 48, 48)
    whole = smooth_colour(image, 0.1)
    tile = smooth_colour(image[..., 8:40, 8:40], 0.1)
    halo = 2 * RADIUS
    torch.testing.assert_close(
        tile[..., halo:-halo, halo:-halo], whole[..., 8 + halo : 40 - halo, 8 + halo : 40 - halo]
    )


def test_the_encoder_sees_its_own_normalisation() -> None:
    torch.manual_seed(0)
    small = {"encoder": "test_efficientnet", "channels": 8, "feature_dim": 8, "fourier_features": 8}
    network = build_network(NetworkConfig(**small))
    other = build_network(
        NetworkConfig(**small, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
    )
    other.load_state_dict(network.state_dict())
    image = torch.rand(1, 3, 32, 32)
    shifted = (image - other.input_mean) / other.input_std * network.input_std + network.input_mean
    for one, two in zip(other.encode(image), network.encode(shifted), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
    # the GP's colour is the same for both
    torch.testing.assert_close(network.colour(image), other.colour(image))


@pytest.mark.parametrize("wrong", [{"image_std": (0.5, 0.0, 0.5)}, {"image_mean": (0.5, 0.5)}])
def test_a_wrong_normalisation_is_refused(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="image_"):
        NetworkConfig(**wrong)
