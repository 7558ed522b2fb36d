"""A folder of images, each with its clicks file; labels and tables of objects come out."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import skimage.data
import tifffile

from napari_gpcis import segment_stack

folder = Path(tempfile.mkdtemp())
for name, image, clicks in (
    ("coins", skimage.data.coins(), [(193, 212, 1), (186, 347, 2)]),
    ("cell", skimage.data.cell(), [(320, 270, 1)]),
):
    tifffile.imwrite(folder / f"{name}.tif", image)
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["axis-0", "axis-1", "object"])
        writer.writerows(clicks)

for path in sorted(folder.glob("*.tif")):
    labels, table = folder / f"{path.stem}_labels.tif", folder / f"{path.stem}_objects.csv"
    segment_stack(path, path.with_suffix(".csv"), labels, table=table)
    print(f"{path.name}: {int(tifffile.imread(labels).max())} object(s)")
    print(table.read_text())
