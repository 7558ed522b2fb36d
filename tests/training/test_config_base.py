"""A configuration that says only what differs from another."""

from __future__ import annotations

from pathlib import Path

import pytest
from napari_gpcis_training.config import load_config


def test_a_configuration_changes_its_base_section_by_section(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: default\nnetwork: {encoder: resnet50}\nseed: 7\n")

    mine, base = load_config(tmp_path / "mine.yaml"), load_config("default")

    assert mine.network == {**base.network, "encoder": "resnet50"}
    assert mine.seed == 7
    assert mine.data == base.data


def test_lists_are_replaced_and_a_base_may_have_one_too(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower.yaml", tmp_path / "upper.yaml"
    lower.write_text("base: default\ndata: [{name: mine}]\nseed: 3\n")
    upper.write_text(f"base: {lower}\noptimiser: {{batch_size: 2}}\n")

    config = load_config(upper)

    assert [source.name for source in config.data] == ["mine"]
    assert (config.seed, config.optimiser.batch_size) == (3, 2)


def test_a_base_of_itself_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "round.yaml"
    path.write_text(f"base: {path}\n")
    with pytest.raises(ValueError, match="no base of itself"):
        load_config(path)


def test_a_missing_base_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: nothing_like_it\n")
    with pytest.raises(ValueError, match="got nothing_like_it"):
        load_config(tmp_path / "mine.yaml")
