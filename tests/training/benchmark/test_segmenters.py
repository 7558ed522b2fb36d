from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from napari_gpcis_training.benchmark.segmenters import (
    PaperSegmenter,
    SessionSegmenter,
    count_parameters,
    load_network,
)
from napari_gpcis_training.protocol import count_contradicted
from skimage.data import coins

from napari_gpcis.model import (
    ModelFileError,
    NetworkConfig,
    SegmentationNetwork,
    build_network,
    save_checkpoint,
)


def build(head: str = "gp") -> SegmentationNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(
        encoder="test_efficientnet", channels=8, feature_dim=8, fourier_features=8, head=head
    )
    return build_network(config)


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    return build()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return coins()[:150, :180]


CLICKS = [(60, 40, True), (10, 10, False), (62, 41, False), (62, 42, True), (120, 150, True)]


@pytest.mark.parametrize("size", [64, 256])
def test_the_gp_keeps_every_click_though_its_view_is_resized(
    network: SegmentationNetwork, image: np.ndarray, size: int
) -> None:
    segmenter = PaperSegmenter("ours", network, size)
    segmenter.start(image, None)
    for count, click in enumerate(CLICKS, 1):
        mask = segmenter.click(*click)
        assert mask.shape == image.shape
        assert mask.dtype == bool
        assert count_contradicted(mask, CLICKS[:count]) == 0


def test_pixels_beyond_the_box_are_background(
    network: SegmentationNetwork, image: np.ndarray
) -> None:
    segmenter = PaperSegmenter("ours", network, 64)
    segmenter.start(image, None)
    segmenter.click(60, 40, True)
    segmenter.logits[:] = -1
    segmenter.logits[50:70, 30:50] = 1
    mask = segmenter.click(60, 45, True)
    box = segmenter.view.box
    assert box.shape == (29, 29)
    outside = np.ones_like(mask)
    outside[box.slices] = False
    assert not mask[outside].any()


def test_the_previous_mask_comes_back_in(network: SegmentationNetwork, image: np.ndarray) -> None:
    segmenter = PaperSegmenter("ours", network, 64)
    answers = []
    for previous in (0.0, 1.0):
        segmenter.start(image, None)
        segmenter.click(60, 40, True)
        segmenter._previous = torch.full_like(segmenter._previous, previous)
        segmenter.click(20, 20, False)
        answers.append(segmenter.logits)
    assert not np.allclose(*answers)


def test_an_object_does_not_depend_on_the_one_before(
    network: SegmentationNetwork, image: np.ndarray
) -> None:
    for segmenter in (PaperSegmenter("p", network, 64), SessionSegmenter("s", network)):
        masks = []
        for _ in range(2):
            segmenter.start(image, 40.0)
            for click in CLICKS:
                mask = segmenter.click(*click)
            masks.append(mask)
        np.testing.assert_array_equal(*masks)


def test_the_image_is_encoded_again_only_when_the_box_changes(
    network: SegmentationNetwork, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, encoded = PaperSegmenter("ours", network, 64), []
    encode = segmenter.network.encode

    def counted(pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        encoded.append(pixels.shape)
        return encode(pixels)

    monkeypatch.setattr(segmenter.network, "encode", counted)
    segmenter.start(image, None)
    segmenter.click(60, 40, True)
    segmenter.start(image, None)
    segmenter.click(60, 44, True)
    assert len(encoded) == 1
    segmenter.start(image.copy(), None)
    segmenter.click(60, 44, True)
    assert len(encoded) == 2


def test_a_session_is_told_the_diameter_only_if_it_shall_be(
    network: SegmentationNetwork, image: np.ndarray
) -> None:
    told, untold = (
        SessionSegmenter("s", network, with_diameter=with_diameter)
        for with_diameter in (True, False)
    )
    for segmenter in (told, untold):
        segmenter.start(image, 33.0)
        mask = segmenter.click(60, 40, True)
        assert mask[60, 40]
    assert told.session.object_diameter == 33.0
    assert untold.session.object_diameter is None


def test_parameters_are_those_of_the_model_however_it_is_sped_up(
    network: SegmentationNetwork,
) -> None:
    count = count_parameters(network)
    assert PaperSegmenter("p", network, 64).parameters == count
    assert SessionSegmenter("s", network).parameters == count


def test_a_crop_that_the_network_cannot_take_is_refused(network: SegmentationNetwork) -> None:
    with pytest.raises(ValueError, match="multiple of 32 px, got 100"):
        PaperSegmenter("ours", network, 100)


def test_models_load_by_path_and_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "conv.safetensors", build("conv"), training={}, scores={})
    assert load_network(str(tmp_path / "conv.safetensors")).config.head == "conv"
    (tmp_path / "reference.pth").write_bytes(b"no checkpoint")
    with pytest.raises(ModelFileError, match=r"reference\.pth"):
        load_network(str(tmp_path / "reference.pth"))
