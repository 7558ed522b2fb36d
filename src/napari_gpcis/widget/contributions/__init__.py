"""Readers, writers and samples, as `napari.yaml` names them."""
