"""Click each coin once, and measure all of them."""

from __future__ import annotations

import skimage.data
import skimage.measure

from napari_gpcis import Session, load_model

CENTRES = [(53, 45), (55, 101), (50, 155), (46, 213), (193, 212), (186, 347)]

image = skimage.data.coins()
session = Session(load_model("default"))
session.set_image(image)
for row, column in CENTRES:
    session.add_click(row, column)
    session.commit()

print("label  area  mean")
for coin in skimage.measure.regionprops(session.labels, image):
    print(f"{coin.label:5d} {coin.area:5.0f} {coin.intensity_mean:5.1f}")
