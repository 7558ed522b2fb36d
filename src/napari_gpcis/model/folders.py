"""Folders of models: the package's own and the user's. Nothing here loads torch."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from platformdirs import user_data_path

__all__ = ["SUFFIX", "model_files", "user_models_folder"]

SUFFIX = ".safetensors"
_VARIABLE = "NAPARI_GPCIS_MODELS"


def user_models_folder() -> Path:
    """Folder of the user's own models; it need not exist yet.

    The environment variable ``NAPARI_GPCIS_MODELS`` names another one.
    """
    elsewhere = os.environ.get(_VARIABLE)
    if elsewhere:
        return Path(elsewhere).expanduser()
    return user_data_path("napari-gpcis") / "models"


def model_files() -> dict[str, Path]:
    """Model files by name: those that come with the package, then the user's, each sorted.

    A file of the user's with the name of a shipped model is left out.
    """
    shipped = _models_in(Path(str(files("napari_gpcis") / "weights")))
    own = _models_in(user_models_folder())
    return shipped | {name: path for name, path in own.items() if name not in shipped}


def _models_in(folder: Path) -> dict[str, Path]:
    # hidden files are models that are being written
    found = (path for path in sorted(folder.glob(f"*{SUFFIX}")) if not path.name.startswith("."))
    return {path.stem: path for path in found}
