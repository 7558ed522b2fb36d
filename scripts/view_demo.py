"""Open in napari what `make demo` left in demo/: images, labels and clicks."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import napari

DEMO = Path(__file__).resolve().parents[1] / "demo"


def main() -> None:
    """Show every image of the demo side by side, each under its labels and its clicks."""
    viewer = napari.Viewer(title="napari-gpcis demo")
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.stride = 3
    for labels_path in sorted(DEMO.glob("*_labels.tif")):
        name = labels_path.name.removesuffix("_labels.tif")
        viewer.add_image(iio.imread(DEMO / f"{name}.tif"), name=name)
        viewer.add_labels(iio.imread(labels_path), name=f"{name} labels")
        viewer.open(DEMO / f"{name}_clicks.csv", layer_type="points", face_color="red")
    viewer.reset_view()
    napari.run()


if __name__ == "__main__":
    main()
