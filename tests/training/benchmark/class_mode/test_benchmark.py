from __future__ import annotations

import csv
import json

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from napari_gpcis_training.benchmark.class_mode.benchmark import (
    class_images,
    class_report,
    click_classes,
)
from napari_gpcis_training.benchmark.class_mode.clicks import (
    ClassClick,
    accuracy,
    correcting_click,
    dice,
    first_clicks,
    shared_clicks,
)
from napari_gpcis_training.benchmark.class_mode.report import summarise
from napari_gpcis_training.benchmark.class_mode.segmenters import ForestClasses, SessionClasses
from napari_gpcis_training.config import DataSource
from skimage import data

from napari_gpcis.model import NetworkConfig, build_network


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network(
        NetworkConfig(encoder="test_resnet", channels=8, feature_dim=8, fourier_features=16)
    ).eval()


@pytest.fixture
def textures():
    """Stripes of equal mean to the left, noise to the right."""
    rng = np.random.default_rng(0)
    image = rng.integers(60, 200, (64, 96), np.uint8)
    image[:, :48] = np.where(np.arange(64) % 8 < 4, 70, 190)[:, None]
    truth = np.ones((64, 96), np.uint8)
    truth[:, 48:] = 2
    return image, truth


def coins():
    image = data.coins()[:120, :160]
    return "coins/part", image, np.where(image > 120, 2, 1).astype(np.uint8)


class Scripted:
    """Gives the maps that it is told to, and remembers what it was shown."""

    name = "scripted"

    def __init__(self, maps, radius=0):
        self.maps = maps
        self.radius = radius
        self.strokes = []

    def start(self, image):
        self.image = image

    def learn(self, pixels, number):
        self.strokes.append(({tuple(pixel) for pixel in pixels.tolist()}, number))
        return self.maps[min(len(self.strokes), len(self.maps)) - 1]


def test_accuracy_is_the_share_of_known_pixels_that_are_right():
    truth = np.array([[1, 1, 2, 2], [0, 0, 2, 3]])
    predicted = np.array([[1, 2, 2, 2], [1, 2, 1, 3]])
    assert accuracy(predicted, truth) == pytest.approx(4 / 6)


def test_dice_is_the_mean_over_the_classes_but_the_background():
    truth = np.array([[1, 1, 2, 2], [0, 0, 2, 3]])
    predicted = np.array([[1, 2, 2, 2], [1, 2, 1, 3]])
    of_2 = 2 * 2 / (3 + 3)  # (0, 0 … 1) is unknown: the 2 predicted there does not count
    of_3 = 1.0
    assert dice(predicted, truth) == pytest.approx((of_2 + of_3) / 2)


def test_nothing_found_of_a_class_is_a_dice_of_nought():
    truth = np.array([[1, 1, 2, 2]])
    assert dice(np.ones_like(truth), truth) == 0


@pytest.mark.parametrize("seed", range(5))
def test_shared_clicks_hit_their_class_in_turn_and_no_pixel_twice(seed):
    _, _, truth = coins()
    clicks = shared_clicks(truth, 41, seed)
    assert [click.number for click in clicks] == [1, 2] * 20 + [1]
    assert all(truth[click.row, click.col] == click.number for click in clicks)
    assert len(set(clicks)) == 41


def test_shared_clicks_are_the_same_by_seed_and_others_by_another():
    _, _, truth = coins()
    assert shared_clicks(truth, 20, 3) == shared_clicks(truth, 20, 3)
    assert shared_clicks(truth, 20, 3) != shared_clicks(truth, 20, 4)


def test_shared_clicks_shun_outlines():
    truth = np.ones((21, 21), int)
    truth[:, 10:] = 2
    truth[:, 8:10] = 0
    clicks = [click for seed in range(300) for click in shared_clicks(truth, 2, seed)]
    inside, outline = (sum(click.col == col for click in clicks) for col in (15, 10))
    assert inside > 1.5 * outline > 0


def test_shared_clicks_end_with_the_pixels_of_a_class():
    truth = np.ones((9, 9), int)
    truth[4, 3:6] = 2
    clicks = shared_clicks(truth, 20, 0)
    assert [click.number for click in clicks] == [1, 2, 1, 2, 1, 2, 1]


def test_unknown_pixels_are_never_clicked():
    truth = np.zeros((30, 30), int)
    truth[:5], truth[25:] = 1, 2
    clicks = shared_clicks(truth, 60, 0) + first_clicks(truth)
    assert all(click.row < 5 or click.row >= 25 for click in clicks)


def test_first_clicks_are_in_the_middle_of_the_largest_regions():
    truth = np.ones((40, 60), int)
    truth[2:7, 2:7] = 2
    truth[10:21, 40:51] = 2
    background, objects = first_clicks(truth)
    assert objects == ClassClick(15, 45, 2)
    assert background.number == truth[background.row, background.col] == 1


def test_a_correction_is_the_middle_of_the_largest_error_of_any_class():
    truth = np.ones((40, 40), int)
    truth[:20] = 2
    predicted = truth.copy()
    predicted[3:6, 3:6] = 1
    predicted[25:34, 10:19] = 2
    assert correcting_click(predicted, truth, []) == ClassClick(29, 14, 1)
    predicted[25:34, 10:19] = 1
    assert correcting_click(predicted, truth, []) == ClassClick(4, 4, 2)


def test_a_correction_is_on_a_new_pixel_and_none_where_all_is_right():
    truth = np.ones((5, 5), int)
    truth[0, 0] = truth[4, 4] = 2
    predicted = np.ones_like(truth)
    first = correcting_click(predicted, truth, [])
    second = correcting_click(predicted, truth, [first])
    assert {first, second} == {ClassClick(0, 0, 2), ClassClick(4, 4, 2)}
    assert correcting_click(predicted, truth, [first, second]) is None
    assert correcting_click(truth, truth, []) is None


def test_errors_where_the_class_is_unknown_are_not_corrected():
    truth = np.array([[1, 1, 0, 0, 2, 2]])
    assert correcting_click(np.array([[1, 1, 2, 1, 2, 2]]), truth, []) is None


@pytest.mark.parametrize("radius", [0, 3])
def test_a_forest_tells_two_textures_apart(textures, radius):
    image, truth = textures
    forest = ForestClasses(radius, trees=20)
    record = click_classes(forest, ("textures", image, truth), "shared", 20)
    assert record.accuracies[-1] > 0.9
    assert record.accuracies[-1] > record.accuracies[0]


def test_a_forest_forgets_the_last_image_and_takes_the_later_class_of_a_pixel(textures):
    image, _ = textures
    forest = ForestClasses(trees=10)
    forest.start(image)
    forest.learn(np.array([[30, 10]]), 1)
    assert (forest.learn(np.array([[30, 10]]), 2) == 2).all()
    forest.start(image)
    assert (forest.learn(np.array([[30, 80]]), 1) == 1).all()


def test_grey_stored_as_colour_gives_the_forest_of_grey(textures):
    image, truth = textures
    coloured = np.repeat(image[..., None], 3, 2)
    plain, tripled = (
        click_classes(ForestClasses(trees=10), ("x", given, truth), "corrected", 6)
        for given in (image, coloured)
    )
    assert plain.clicks == tripled.clicks
    assert plain.accuracies == tripled.accuracies


def test_our_method_keeps_every_click_and_forgets_the_last_image(network):
    name, image, truth = coins()
    segmenter = SessionClasses(network)
    records = [click_classes(segmenter, (name, image, truth), "shared", 6) for _ in range(2)]
    assert [record.contradicted for record in records] == [0, 0]
    assert records[0].accuracies == records[1].accuracies
    assert len(records[0].seconds) == 6


def test_a_brush_paints_pixels_of_the_clicked_class_alone():
    truth = np.ones((20, 20), int)
    truth[:, 10:] = 2
    segmenter = Scripted([truth], radius=3)
    click_classes(segmenter, ("x", truth.astype(np.uint8), truth), "shared", 30, seed=1)
    assert len(segmenter.strokes) == 30
    for pixels, number in segmenter.strokes:
        assert {truth[pixel] for pixel in pixels} == {number}
    assert max(len(pixels) for pixels, _ in segmenter.strokes) == 29


def test_corrections_end_where_nothing_is_wrong_and_the_last_score_stays():
    truth = np.ones((20, 20), int)
    truth[5:15, 5:15] = 2
    maps = [np.ones_like(truth), np.full_like(truth, 2), truth]
    record = click_classes(Scripted(maps), ("x", truth.astype(np.uint8), truth), "corrected", 9)
    assert record.accuracies == [0.75, 0.25, 1.0]
    rows = summarise([record], 9)
    assert [row["clicks"] for row in rows] == [*range(2, 10)]
    assert [row["accuracy"] for row in rows] == [0.25, *[1.0] * 7]
    assert rows[-1]["accuracy_error"] is None


def test_contradicted_clicks_are_counted_in_the_last_map():
    truth = np.ones((20, 20), int)
    truth[:, 10:] = 2
    maps = [truth, np.ones_like(truth)]
    record = click_classes(Scripted(maps), ("x", truth.astype(np.uint8), truth), "shared", 6)
    assert record.contradicted == 3


def test_the_error_is_that_of_the_mean_over_the_images():
    truth = np.ones((10, 10), int)
    truth[:, 5:] = 2
    half = np.ones_like(truth)
    item = ("set/a", truth.astype(np.uint8), truth)
    records = [click_classes(Scripted([each]), item, "shared", 2) for each in (truth, half)]
    (row,) = summarise(records, 2)
    assert row["accuracy"] == pytest.approx(0.75)
    assert row["accuracy_error"] == pytest.approx(0.25)
    assert (row["data"], row["images"], row["clicked"]) == ("set", 2, 4)


def test_images_of_a_folder_become_two_classes_around_an_object(data_root):
    sources = [DataSource(name="cells"), DataSource(name="volume", class_mode=False)]
    images = class_images(data_root, sources, count=5, size=64)
    assert [name for name, _, _ in images] == ["cells/00", "cells/07"]
    _, image, classes = images[0]
    assert image.shape == classes.shape == (64, 64)
    labels = iio.imread(data_root / "cells" / "labels" / "00.png")
    whole = np.where(labels > 0, 2, 1)
    found = np.lib.stride_tricks.sliding_window_view(whole, (64, 64))
    assert (found == classes).all((2, 3)).sum() == 1
    assert set(np.unique(classes)) == {1, 2}


def test_sets_without_a_common_class_are_refused(data_root):
    with pytest.raises(ValueError, match="class_mode: true"):
        class_images(data_root, [DataSource(name="cells", class_mode=False)])


def test_a_report_has_every_method_and_data_set_in_tables_and_pictures(network, tmp_path):
    rng = np.random.default_rng(0)
    image = data.immunohistochemistry()[:80, :96]
    stain = np.where(image[..., 2] < 150, 2, 1)
    stain[rng.random(stain.shape) < 0.1] = 0
    lines = []
    report = class_report(
        network,
        [coins(), ("tissue/1", image, stain)],
        tmp_path,
        clicks=4,
        trees=5,
        notify=lines.append,
    )
    assert lines == ["coins/part (1 of 2)", "tissue/1 (2 of 2)"]
    assert report == json.loads((tmp_path / "classes.json").read_text())
    models = {"Gaussian process", "random forest", "random forest, 3 px brush"}
    found = {(row["data"], row["way"], row["model"]) for row in report["scores"]}
    ways = ("shared", "corrected")
    assert found == {
        (of, way, model) for of in ("coins", "tissue", "all") for way in ways for model in models
    }
    ours = [row for row in report["scores"] if row["model"] == "Gaussian process"]
    assert {row["contradicted"] for row in ours} == {0}
    with (tmp_path / "classes.csv").open() as lines_of_csv:
        rows = list(csv.DictReader(lines_of_csv))
    assert len(rows) == 2 * 2 * 3 * 4
    table = (tmp_path / "classes.md").read_text()
    last = next(row for row in report["scores"] if row["clicks"] == 4)
    assert f"{100 * last['dice']:.1f}" in table
    assert len(list(tmp_path.glob("classes_*_dice.png"))) == 6
    assert len(list(tmp_path.glob("classes_all_*_accuracy.png"))) == 2
    examples = sorted(tmp_path.glob("classes_example_*.png"))
    assert len(examples) == 4
    assert all(iio.imread(path).std() > 10 for path in examples)


def test_images_that_cannot_be_scored_are_refused_before_any_work(network, tmp_path):
    name, image, truth = coins()
    with pytest.raises(ValueError, match="one size"):
        class_report(network, [(name, image[:-1], truth)], tmp_path / "out")
    with pytest.raises(ValueError, match="two classes"):
        class_report(network, [(name, image, np.ones_like(truth))], tmp_path / "out")
    with pytest.raises(ValueError, match="each of the 2 classes"):
        class_report(network, [(name, image, truth)], tmp_path / "out", clicks=1)
    with pytest.raises(ValueError, match="at least one image"):
        class_report(network, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()
