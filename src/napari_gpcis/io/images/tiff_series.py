"""The series of a TIFF: which of its pages make up an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tifffile import TiffPageSeries

from napari_gpcis.io.errors import ImageFileError

if TYPE_CHECKING:
    from pathlib import Path

    from tifffile import TiffFile

__all__ = ["choose_series"]

_SHOWN = 12


def choose_series(
    tiff: TiffFile, series: int, path: Path
) -> tuple[TiffPageSeries, list[TiffPageSeries]]:
    """One of the series of a TIFF, at full resolution.

    Parameters
    ----------
    tiff : TiffFile
        Open.
    series : int
        Which, counted from 0.
    path : Path
        What errors call the file.

    Returns
    -------
    series : TiffPageSeries
    others : list of TiffPageSeries
        Pages beside it that may have been meant to belong to it: where nothing in the file says
        what does, a page with a damaged header looks like an image of its own.

    Raises
    ------
    ImageFileError
        When there is no such series; it names those there are.
    ValueError
        When there is none at all.
    """
    found = list(tiff.series)
    loose = all(one.kind == "generic" for one in found)
    if loose:
        found = _merged(found)
    if not found:
        raise ValueError("it holds no image")
    if not 0 <= series < len(found):
        known = ", ".join(f"{i}: {one.axes} {one.shape}" for i, one in enumerate(found[:_SHOWN]))
        more = ", …" if len(found) > _SHOWN else ""
        raise ImageFileError(
            f"{path} has no series {series}, but {known}{more}; choose among those"
        )
    chosen = found[series]
    others = [one for one in found if one is not chosen and not one.keyframe.is_reduced]
    return chosen, others if loose else []


def _merged(found: list[TiffPageSeries]) -> list[TiffPageSeries]:
    """Join pages of the same size and type, which differ in their strips or compression only.

    Where nothing in the file says what belongs together, tifffile makes another series of them,
    and a stack would lose slices.
    """
    alike: dict[Any, list[TiffPageSeries]] = {}
    for one in found:
        alike.setdefault((one.keyframe.shape, one.keyframe.axes, one.dtype), []).append(one)
    merged = []
    for group in alike.values():
        if len(group) == 1:
            merged += group
            continue
        pages = [page for one in group for page in one.pages if page is not None]
        pages.sort(key=lambda page: page.treeindex)
        shape = (len(pages), *group[0].keyframe.shape)
        merged.append(
            TiffPageSeries(
                pages, shape, group[0].dtype, f"I{group[0].keyframe.axes}", kind="generic"
            )
        )
    return merged
