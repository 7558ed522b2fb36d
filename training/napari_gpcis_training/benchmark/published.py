"""Figures that papers report, to stand beneath our own.

They were measured on other hardware, with networks trained on other data (SBD), so they tell
where a score lies, not which model is better.

References
----------
Tables of Zhou et al., "Interactive segmentation as Gaussian process classification",
CVPR 2023, and, for SimpleClick, of Liu et al., ICCV 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Published", "published_rows"]


@dataclass(frozen=True, slots=True)
class Published:
    """One method's published scores on one data set; None where none are published.

    The attributes are named and measured as those of `records.Scores`. `spc` was measured on an
    Nvidia V100 at 384² pixels.
    """

    model: str
    noc85: float | None
    noc90: float | None
    noc100_90: float | None = None
    nof100_90: int | None = None
    iou1: float | None = None
    iou5: float | None = None
    noic: int | None = None
    parameters: float | None = None
    spc: float | None = None


def published_rows(data: str) -> list[Published]:
    """Look up what is published for a data set: none unless it is one of the papers' four.

    Parameters
    ----------
    data : str
        A name; GrabCut, Berkeley, SBD and DAVIS are known, in capitals or not.
    """
    column = {name.lower(): number for number, name in enumerate(_SETS)}.get(data.strip().lower())
    if column is None:
        return []
    return [_row(model, cells[column], _SETS[column]) for model, cells in _NOC.items()]


def _row(model: str, cell: str, data: str) -> Published:
    noc85, noc90 = (None if part == "–" else float(part) for part in cell.split("/"))
    noc100_90, nof100_90, iou1, iou5, noic = _FURTHER.get((model, data), (None,) * 5)
    parameters, milliseconds = _COSTS.get(model, (None, None))
    # SBD is clicked at in crops of 256², for which no times are published.
    timed = milliseconds is not None and data != "SBD"
    return Published(
        model=model,
        noc85=noc85,
        noc90=noc90,
        noc100_90=noc100_90,
        nof100_90=nof100_90,
        iou1=iou1,
        iou5=iou5,
        noic=noic,
        parameters=None if parameters is None else round(parameters * 1e6),
        spc=milliseconds / 1000 if timed and milliseconds is not None else None,
    )


_SETS = ("GrabCut", "Berkeley", "SBD", "DAVIS")

# NoC@85/NoC@90 on each of _SETS.
_NOC = {
    "RITM, SegFormer-B0": ("1.62/1.82", "1.84/2.92", "4.26/6.38", "4.65/6.13"),
    "FocalClick, SegFormer-B0": ("1.66/1.90", "–/3.14", "4.34/6.51", "5.02/7.06"),
    "GPCIS, SegFormer-B0": ("1.60/1.76", "1.84/2.70", "4.16/6.28", "4.45/6.04"),
    "RITM, HRNet18s": ("2.00/2.24", "2.13/3.19", "4.29/6.36", "4.89/6.54"),
    "FocalClick, HRNet18s": ("1.86/2.06", "–/3.14", "4.30/6.52", "4.92/6.48"),
    "GPCIS, HRNet18s": ("1.74/1.94", "1.83/2.65", "4.28/6.25", "4.62/6.16"),
    "f-BRS-B, ResNet50": ("2.20/2.64", "2.17/4.22", "4.55/7.45", "5.44/7.81"),
    "CDNet, ResNet50": ("2.22/2.64", "–/3.69", "4.37/7.87", "5.17/6.66"),
    "RITM, ResNet50": ("2.16/2.30", "1.90/2.95", "3.97/5.92", "4.56/6.05"),
    "FocusCut, ResNet50": ("1.60/1.78", "1.86/3.44", "3.62/5.66", "5.00/6.38"),
    "FocalClick, ResNet50": ("1.92/2.14", "1.87/2.86", "3.84/5.82", "4.61/6.01"),
    "GPCIS, ResNet50": ("1.64/1.82", "1.60/2.60", "3.80/5.71", "4.37/5.89"),
    "SimpleClick-B (SBD)": ("1.40/1.54", "1.44/2.46", "3.28/5.24", "4.10/5.48"),
}

# NoC₁₀₀@90, NoF₁₀₀@90, IoU&1 and IoU&5 in percent, NoIC.
_FURTHER: dict[tuple[str, str], tuple[float, int, float, float, int]] = {
    ("f-BRS-B, ResNet50", "Berkeley"): (6.21, 2, 77.06, 85.00, 1),
    ("f-BRS-B, ResNet50", "DAVIS"): (22.62, 57, 70.97, 83.87, 0),
    ("RITM, ResNet50", "Berkeley"): (3.75, 1, 76.88, 94.66, 2),
    ("RITM, ResNet50", "DAVIS"): (18.09, 51, 72.89, 89.14, 74),
    ("FocusCut, ResNet50", "Berkeley"): (4.63, 1, 78.89, 92.89, 1),
    ("FocusCut, ResNet50", "DAVIS"): (19.00, 45, 72.71, 87.58, 6),
    ("FocalClick, ResNet50", "Berkeley"): (4.46, 2, 75.59, 94.90, 0),
    ("FocalClick, ResNet50", "DAVIS"): (17.74, 49, 70.76, 88.90, 42),
    ("GPCIS, ResNet50", "Berkeley"): (3.36, 1, 79.43, 95.11, 0),
    ("GPCIS, ResNet50", "DAVIS"): (17.03, 44, 75.67, 89.60, 2),
}

# Parameters in millions, milliseconds per click.
_COSTS = {
    "f-BRS-B, ResNet50": (39.44, 116.53),
    "RITM, ResNet50": (39.48, 34.24),
    "FocusCut, ResNet50": (40.36, 950.68),
    "FocalClick, ResNet50": (39.50, 41.80),
    "GPCIS, ResNet50": (39.39, 38.82),
}
