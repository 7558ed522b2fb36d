"""The tool’s own layers, and where the image’s data lie in them."""
