"""The options of a fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """What `napari-gpcis finetune` was asked for.

    Attributes
    ----------
    images, labels : Path
        Folders of files that are paired by name.
    output : Path
        Model file to write.
    model : str
        Name or path of the model to start from.
    minutes, steps
        Length of the training, whichever ends first; from the amount of data when both are None.
    seed : int
        Of the split, crops and clicks.
    device : str
        "auto", or a name that torch knows.
    axes : str or None
        Letters of the images' axes as stored; from the files when None.
    """

    images: Path
    labels: Path
    output: Path
    model: str = "default"
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    device: str = "auto"
    axes: str | None = None
