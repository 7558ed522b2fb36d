"""Files in and out: images read region by region, labels and clicks written whole or not at all."""
