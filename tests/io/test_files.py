from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.files import atomic_folder, atomic_write, hidden_path, stale_parts

if TYPE_CHECKING:
    from pathlib import Path

# each of them is 251 bytes, which file systems allow
NAMES = ["y" * 247 + ".tif", "µ" * 123 + "x.tif"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    with atomic_write(tmp_path / name) as part:
        part.write_text("labels")
    with atomic_folder(tmp_path / f"{name[:-4]}dir", "folder", lambda path: True) as part:
        (part / "labels").touch()
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name[:-4]}dir"}


@pytest.mark.parametrize("name", ["y" * 252 + ".tif", "µ" * 126 + ".zarr"])
def test_a_name_that_is_too_long_is_refused_as_such(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(OutputFileError, match="its name is too long; choose a shorter one"),
        atomic_write(tmp_path / name),
    ):
        pass
    with (
        pytest.raises(OutputFileError, match="its name is too long; choose a shorter one"),
        atomic_folder(tmp_path / name, "folder", lambda path: True),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["labels [1].tif", *NAMES])
def test_what_a_killed_process_left_of_an_output_is_found(tmp_path: Path, name: str) -> None:
    left = [hidden_path(tmp_path / name, f".{number}.part") for number in (7, 4194304)]
    for path in (*left, tmp_path / ".other.tif.7.part", hidden_path(tmp_path / name, ".work")):
        path.touch()
    assert sorted(stale_parts(tmp_path / name)) == sorted(left)
