from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from napari_gpcis_training.benchmark.guidance import (
    WAYS,
    click_anywhere,
    click_guided,
    click_here_next,
    click_largest_error,
    guidance_report,
)
from napari_gpcis_training.benchmark.segmenters import SessionSegmenter

from napari_gpcis.model import NetworkConfig, SegmentationNetwork, build_network


@dataclass
class Item:
    """What is looked at of a `BenchmarkObject`."""

    image: np.ndarray
    target: np.ndarray
    number: int = 1
    data: str = "squares"
    image_name: str = "drawn"
    diameter: float = 40.0
    typical_diameter: float = 40.0

    @property
    def valid(self) -> np.ndarray:
        return np.ones(self.target.shape, bool)


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(
        NetworkConfig(encoder="test_efficientnet", channels=8, feature_dim=8, fourier_features=8)
    )


@pytest.fixture(scope="module")
def items() -> list[Item]:
    rng = np.random.default_rng(0)
    made = []
    for corner in (20, 40):
        target = np.zeros((96, 96), bool)
        target[corner : corner + 36, corner : corner + 36] = True
        image = (40 + 120 * target + rng.normal(0, 20, target.shape)).clip(0, 255)
        made.append(Item(image.astype(np.uint8), target))
    return made


def test_every_way_starts_with_the_same_click_and_tells_the_truth(
    network: SegmentationNetwork, items: list[Item]
) -> None:
    segmenter = SessionSegmenter("ours", network)
    records = [click_guided(segmenter, items[0], way, choose, 4) for way, choose in WAYS.items()]
    assert {record.clicks[0] for record in records} == {(37, 37, True)}
    for record in records:
        places = [click[:2] for click in record.clicks]
        assert len({*places}) == len(places)
        assert all(items[0].target[row, col] == truth for row, col, truth in record.clicks)
        assert not any(record.contradicted)


def test_random_clicks_are_seeded_and_stay_in_the_neighbourhood(
    network: SegmentationNetwork, items: list[Item]
) -> None:
    segmenter = SessionSegmenter("ours", network)
    first, again, other = (
        click_guided(segmenter, items[0], "random", click_anywhere, 5, seed).clicks
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_the_ways_look_where_they_should(network: SegmentationNetwork, items: list[Item]) -> None:
    segmenter = SessionSegmenter("ours", network)
    segmenter.start(items[0].image, 40.0)
    segmenter.click(37, 37, True)
    result, rng = segmenter.result, np.random.default_rng(0)
    row, col = click_largest_error(result, items[0], rng)
    assert result.mask[row, col] != items[0].target[row, col]
    rows, cols = np.nonzero(result.mask)
    margin = 0.25 * max(np.ptp(rows), np.ptp(cols)) + 6
    for choose in (click_anywhere, click_here_next):
        row, col = choose(result, items[0], rng)
        assert rows.min() - margin <= row <= rows.max() + margin
        assert cols.min() - margin <= col <= cols.max() + margin


def test_a_way_that_says_that_all_is_clear_ends_the_clicking(
    network: SegmentationNetwork, items: list[Item]
) -> None:
    segmenter = SessionSegmenter("ours", network)
    record = click_guided(segmenter, items[0], "none", lambda result, item, rng: None, 5)
    assert len(record.clicks) == 1
    assert record.after(5) == record.ious[0]


def test_the_report_has_every_way_and_its_gain_over_random_clicks(
    network: SegmentationNetwork, items: list[Item], tmp_path: Path
) -> None:
    report = guidance_report(network, items, tmp_path / "report", clicks=3)
    assert report["clicks"] == [1, 2, 3]
    assert report["objects"] == 2
    firsts = [each["mean"][0] for each in report["ways"].values()]
    assert firsts == pytest.approx([firsts[0]] * 3)
    gain = report["gain"]["click here next"]["mean"]
    ways = report["ways"]
    expected = np.subtract(ways["click here next"]["mean"], ways["random"]["mean"])
    assert gain == pytest.approx(expected)
    assert report["mean_gain"]["click here next"]["mean"] == pytest.approx([expected[1:].mean()])
    assert report["mean_gain"]["random"] == {"mean": [0.0], "error": [0.0]}
    assert json.loads((tmp_path / "report" / "guidance.json").read_text()) == report
    text = (tmp_path / "report" / "guidance.md").read_text(encoding="utf-8")
    assert f"| 3 | {ways['largest error']['mean'][2]:.2f} ±" in " ".join(text.split())
    assert iio.imread(tmp_path / "report" / "guidance.png").shape[0] > 400


def test_one_object_is_too_few_for_a_standard_error(
    network: SegmentationNetwork, items: list[Item], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected 2 objects"):
        guidance_report(network, items[:1], tmp_path)
