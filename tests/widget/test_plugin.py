"""What napari.yaml promises: valid, light, and found by napari."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from napari.components import ViewerModel
from npe2 import PluginManifest

import napari_gpcis
from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import read_clicks, write_clicks

MANIFEST = Path(napari_gpcis.__file__).with_name("napari.yaml")
CONTRIBUTIONS = yaml.safe_load(MANIFEST.read_text("utf-8"))["contributions"]
NAMES = [command["python_name"] for command in CONTRIBUTIONS["commands"]]
SAMPLES = [sample["key"] for sample in CONTRIBUTIONS["sample_data"]]
CLICKS = [Click(1, 5, 6, True, 1), Click(0, 7, 8, False, 2)]


@pytest.fixture
def plugins(npe2pm: Any) -> Any:
    """napari's own plugin and ours, and no other."""
    with npe2pm.tmp_plugin(package="napari"), npe2pm.tmp_plugin(manifest=str(MANIFEST)):
        yield npe2pm


@pytest.fixture
def viewer(plugins: Any) -> ViewerModel:
    return ViewerModel()


def test_the_manifest_is_valid() -> None:
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "napari-gpcis"


def test_napari_finds_the_plugin_where_it_is_installed() -> None:
    (entry,) = entry_points(group="napari.manifest", name="napari-gpcis")
    assert entry.value == "napari_gpcis:napari.yaml"
    assert PluginManifest.from_distribution("napari-gpcis").display_name == "GPCIS"


def test_every_command_is_used_and_every_command_used_is_there() -> None:
    items = [
        item
        for kind in ("widgets", "readers", "writers", "sample_data")
        for item in CONTRIBUTIONS[kind]
    ]
    items += [item for menu in CONTRIBUTIONS["menus"].values() for item in menu]
    assert {item["command"] for item in items} == {
        command["id"] for command in CONTRIBUTIONS["commands"]
    }


def test_no_sample_takes_the_name_of_a_command() -> None:
    # napari registers "plugin.key" as the action that opens a sample.
    ids = {command["id"] for command in CONTRIBUTIONS["commands"]}
    assert not ids & {f"napari-gpcis.{key}" for key in SAMPLES}


@pytest.mark.parametrize("name", sorted({name.partition(":")[0] for name in NAMES}))
def test_importing_what_the_manifest_names_loads_no_torch(name: str) -> None:
    code = (
        f"import sys, {name}, napari_gpcis.io.annotations.gpcis_file\n"
        "import napari_gpcis.io.annotations.clicks\n"
        "print(*{'torch', 'timm', 'torchvision', 'safetensors'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_every_menu_takes_contributions() -> None:
    menus = import_module("napari._app_model.constants._menus")
    assert CONTRIBUTIONS["menus"]
    assert all(menus.is_menu_contributable(menu) for menu in CONTRIBUTIONS["menus"])


@pytest.mark.parametrize("key", SAMPLES)
def test_a_sample_opens(viewer: ViewerModel, key: str) -> None:
    (layer,) = viewer.open_sample("napari-gpcis", key)
    assert layer._type_string == "image"
    assert layer.rgb == (key == "immunohistochemistry")


def test_a_clicks_file_opens_in_the_tools_colours(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "nuclei-clicks.csv"
    write_clicks(path, CLICKS, 3)
    (layer,) = viewer.open(str(path), plugin="napari-gpcis")
    np.testing.assert_array_equal(layer.data, [[1, 5, 6], [0, 7, 8]])
    assert layer.features["object"].tolist() == [1, 2]
    assert layer.features["positive"].tolist() == [True, False]
    assert str(layer.symbol[0]) != str(layer.symbol[1])
    assert not np.array_equal(layer.face_color[0], layer.face_color[1])


def test_other_csv_files_still_open_unasked_with_naparis_reader(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    path = tmp_path / "points.csv"
    viewer.add_points([[1, 2], [3, 4]]).save(str(path))
    (layer,) = viewer.open(str(path), plugin=None)
    np.testing.assert_array_equal(layer.data, [[1, 2], [3, 4]])


def test_the_clicks_reader_leaves_other_files_alone(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("index,axis-0,axis-1\n0,1,2\n")
    with pytest.raises(ValueError, match="refused the file"):
        viewer.open(str(path), plugin="napari-gpcis")
    (layer,) = viewer.open(str(path), plugin="napari")
    np.testing.assert_array_equal(layer.data, [[1, 2]])


def test_a_points_layer_is_saved_as_clicks(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "nuclei.clicks.csv"
    features = {"object": [1, 2], "positive": [True, False], "note": ["a", "b, c"]}
    layer = viewer.add_points([[1.2, 4.6, 5.5], [-0.4, 7, 8]], features=features)
    assert layer.save(str(path)) == [str(path)]
    assert read_clicks(path, 3) == CLICKS
    assert path.read_text().splitlines()[0] == "index,axis-0,axis-1,axis-2,object,positive,note"
    (opened,) = viewer.open(str(path), plugin="napari-gpcis")
    opened.save(str(path))
    assert read_clicks(path, 3) == CLICKS


def test_naparis_own_writer_stays_the_one_for_csv(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    viewer.add_points([[1.25, 2.5]]).save(str(path))
    assert path.read_text().splitlines() == ["index,axis-0,axis-1", "0.0,1.25,2.5"]


def test_an_annotation_is_saved_and_opened_with_its_place(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    path = tmp_path / "nuclei.gpcis"
    place: dict[str, Any] = {
        "scale": (2, 0.5, 0.5),
        "translate": (1, 2, 3),
        "rotate": (0, 0, 20),
        "units": ("um", "um", "um"),
    }
    labels = np.arange(3 * 20 * 30).reshape(3, 20, 30) % 4
    metadata = {"gpcis": {"committed": [{"label": 3, "clicks": [[2, 3, 4, True]]}]}}
    viewer.add_image(np.zeros((3, 20, 30)), name="nuclei")
    viewer.add_labels(np.zeros((3, 20, 30), np.uint8), name="GPCIS preview")
    saved = viewer.add_labels(labels, name="GPCIS labels", metadata=metadata, **place)
    features = {"object": [1, 2], "positive": [True, False]}
    viewer.add_points([[1, 5, 6], [0, 7, 8]], features=features, name="GPCIS clicks", **place)
    assert viewer.layers.save(str(path)) == [str(path)]

    viewer.layers.clear()
    opened, points = viewer.open(str(path), plugin=None)
    np.testing.assert_array_equal(opened.data, labels)
    np.testing.assert_array_equal(points.data, [[1, 5, 6], [0, 7, 8]])
    assert points.features["object"].tolist() == [1, 2]
    assert points.features["positive"].tolist() == [True, False]
    for layer in (opened, points):
        np.testing.assert_allclose(
            layer.data_to_world((2, 3, 4)), saved.data_to_world((2, 3, 4)), rtol=1e-12
        )
        assert layer.units == saved.units
        np.testing.assert_array_equal(layer.scale, saved.scale)
    held = opened.metadata["gpcis"]
    assert held["committed"] == [{"label": 3, "clicks": [[2, 3, 4, True]], "places": []}]
    assert held["image"] == "nuclei"


def test_labels_alone_are_an_annotation(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "cell.gpcis"
    viewer.add_labels(np.eye(5, dtype=np.uint16)).save(str(path))
    (opened,) = viewer.open(str(path), plugin=None)
    np.testing.assert_array_equal(opened.data, np.eye(5))


def test_classes_open_in_their_colours(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "glands.gpcis"
    classes = [{"number": 1, "name": "gland", "color": "#ff0000"}]
    metadata = {"gpcis": {"mode": "class", "classes": classes}}
    viewer.add_labels(np.eye(5, dtype=np.uint8), metadata=metadata).save(str(path))
    (opened,) = viewer.open(str(path), plugin=None)
    assert opened.name == "GPCIS classes"
    np.testing.assert_array_equal(opened.get_color(1), [1, 0, 0, 1])
    assert opened.metadata["gpcis"]["classes"] == classes
