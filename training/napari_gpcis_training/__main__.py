"""`python -m napari_gpcis_training train …`."""

from __future__ import annotations

from napari_gpcis_training.cli import app

if __name__ == "__main__":
    app()
