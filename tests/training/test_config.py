from __future__ import annotations

from pathlib import Path

import pytest
from napari_gpcis_training.config import TrainConfig, load_config, shipped_configs

from napari_gpcis.model import NetworkConfig


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configurations_load_and_name_a_network(name: str) -> None:
    config = load_config(name)
    NetworkConfig(**config.network)
    assert sum(source.weight for source in config.data) == pytest.approx(1)


def test_overrides_reach_into_sections_and_none_changes_nothing() -> None:
    config = load_config("default", network__head="conv", optimiser__batch_size=3, seed=None)
    assert config.network["head"] == "conv"
    assert config.optimiser.batch_size == 3
    assert config.seed == load_config("default").seed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [{name: a}]\nspeed: 3", "speed"),
        ("data: [{name: a}]\noptimiser: {batch_size: 0}", "optimiser.batch_size"),
        ("data: [{name: a}, {name: a}]", "every data set once"),
        ("data: [{name: a, weight: 0}]", "weight above 0"),
        ("data: [{name: a}]\naugment: {diameter: [50, 20]}", "smallest, largest"),
        ("data: [{name: a}]\naugment: {size: 64, diameter: [20, 390]}", "no larger than the crop"),
        ("- 3", "sections"),
        ("data: [", "YAML"),
    ],
)
def test_a_wrong_configuration_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_config(path)


def test_a_missing_configuration_names_the_shipped_ones() -> None:
    with pytest.raises(ValueError, match="default"):
        load_config("no-such-file.yaml")


def test_every_field_is_explained() -> None:
    def undocumented(section: type) -> list[str]:
        fields = section.model_fields.items()  # type: ignore[attr-defined]
        return [name for name, field in fields if not field.description]

    sections = [field.annotation for field in TrainConfig.model_fields.values()]
    sections = [each for each in sections if hasattr(each, "model_fields")]
    named = [name for section in sections for name in undocumented(section)]
    assert named == []
