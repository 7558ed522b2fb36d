"""`python -m napari_gpcis.cli …`: the command line of this very interpreter."""

from __future__ import annotations

from napari_gpcis.cli.app import main

if __name__ == "__main__":
    main()
