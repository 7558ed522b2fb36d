"""Classes of pixels in stained tissue: a few clicks for each."""

from __future__ import annotations

import numpy as np
import skimage.data

from napari_gpcis import Session, load_model

CLICKS = {1: [(250, 250), (120, 300)], 2: [(60, 60), (400, 460)]}

session = Session(load_model("default"), mode="class")
session.set_image(skimage.data.immunohistochemistry())
for number, places in CLICKS.items():
    for row, column in places:
        session.add_click(row, column, object_id=number)
classes = session.classify()
for number, count in zip(*np.unique(classes, return_counts=True), strict=True):
    print(f"class {number}: {count / classes.size:.0%} of the image")
