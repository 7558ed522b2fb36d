"""The napari plugin: what `napari.yaml` names. Qt and napari only here; nothing loads torch."""
