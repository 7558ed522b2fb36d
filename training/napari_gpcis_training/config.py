"""Settings of a training run: a YAML file of sections, each field explained beneath it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_gpcis_training.data.splits import Rule


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataSource(_Section):
    """One data set: a folder under the data root."""

    name: str
    """Name of the data set, and of its folder unless `path` is given."""
    path: str | None = None
    """Folder, relative to the data root."""
    layout: str = "auto"
    """How the folder is laid out: one of `data.layouts.LAYOUTS`, or recognised."""
    weight: float = Field(1.0, ge=0)
    """Sampling weight relative to the other sets; 0 leaves the set to validation."""
    components: bool = False
    """Whether every connected region of a label in a slice is an object of its own."""
    class_mode: bool = True
    """Whether "all objects" is a class that an image shows consistently."""
    licence: str = "not stated"
    """Licence and source of its images and labels, for the model's card."""
    group_pattern: str | None = None
    """Regular expression whose first group, searched in a file's stem, names its photograph."""
    split: Rule = "default"
    """What is held out. default: of single images every seventh by name, of a volume the last
    sixth of its slices, of SBD what its list says. file, group: whole ones; block: a block of every
    volume's slices."""
    hold_out: float = Field(0.2, gt=0, lt=1)
    """Part that the rules file, group and block hold out."""
    seed: int = Field(0, ge=0)
    """Chooses what these hold out; the same whatever seed the training has."""
    gap: int = Field(1, ge=0)
    """Slices on either side of a held-out block that are not trained on either."""
    split_file: str | None = None
    """Split that was written down, relative to the data root; used instead of a rule."""


class AugmentConfig(_Section):
    """Crops and intensities."""

    size: int = Field(192, ge=32)
    """Side of a training crop, px; a multiple of the network's size divisor."""
    framing: Literal["object", "image"] = "object"
    """What a crop is measured by: the picked object's diameter, or the image's sides."""
    image_ratio: tuple[float, float, float, float] = (0.8, 0.4, 0.3, 1.3)
    """Crop's side as a part of the image's, drawn for either axis where framing is by the image:
    mean and standard deviation of a normal distribution, and where it is cut off."""
    flip_probability: float = Field(0.3, ge=0, le=1)
    """How often such a crop is flipped, for either axis."""
    least_target: int = Field(80, ge=1)
    """Smallest part of an object, px of the crop, that such a crop may be about."""
    merge_probability: float = Field(0.0, ge=0, le=1)
    """How often two objects of a crop are one target."""
    intensity: bool = True
    """Whether intensities are varied at all; without, they are only divided by 255."""
    wide_probability: float = Field(0.7, ge=0, le=1)
    """How often a step sees few wide crops instead: there the network learns to leave alone what
    looks like the object but is too far from the clicks to be it."""
    wide_size: int = Field(320, ge=32)
    """Side of a wide crop, px; a multiple of the network's size divisor."""
    wide_count: int = Field(5, ge=1)
    """Wide crops in a step."""
    diameter: tuple[float, float] = (32.0, 150.0)
    """Range of the picked object's diameter in the crop, px, drawn log-uniformly."""
    aspect: float = Field(1.15, ge=1)
    """Largest stretch of one axis against the other."""
    rotation_probability: float = Field(0.6, ge=0, le=1)
    """How often a crop is rotated by any angle; flips come on top."""
    usual_diameter: float | None = Field(None, gt=0)
    """Where given, the middle of a log-normal distribution of the diameter, px of the crop, within
    the same range: what a session brings objects to, which the network should know best."""
    diameter_spread: float = Field(0.7, gt=0)
    """Standard deviation of the natural logarithm of that diameter."""
    targets: int = Field(1, ge=1)
    """Objects that are asked for in each crop, all on one pass of the encoder."""
    drawn_probability: float = Field(0.0, ge=0, le=1)
    """How often one of them is drawn onto the crop: a line, a tree, a ring or a blob."""
    pasted_probability: float = Field(0.0, ge=0, le=1)
    """How often one of them is pasted into the crop from another image of the set."""
    suggested_probability: float = Field(0.0, ge=0, le=1)
    """How often a further one is a region that the image itself suggests."""
    elastic_probability: float = Field(0.0, ge=0, le=1)
    """How often a crop is deformed elastically."""
    elastic: float = Field(0.05, ge=0, le=0.2)
    """Largest standard deviation of that displacement, as a part of the crop's side."""
    centre_jitter: float = Field(0.3, ge=0, le=0.5)
    """Standard deviation of the object's place around the middle, as a part of the crop's side."""
    invert_probability: float = Field(0.25, ge=0, le=1)
    """How often dark and bright swap places."""
    channel_probability: float = Field(0.3, ge=0, le=1)
    """How often channels are mixed, dropped or tinted."""
    gamma: float = Field(2.0, ge=1)
    """Largest exponent of the gamma curve; the smallest is its inverse."""
    noise: float = Field(0.08, ge=0)
    """Largest standard deviation of added Gaussian noise, of the full range."""
    blur: float = Field(1.5, ge=0)
    """Largest standard deviation of the Gaussian blur, px."""

    @model_validator(mode="after")
    def _ordered(self) -> AugmentConfig:
        if not 0 < self.diameter[0] <= self.diameter[1]:
            raise ValueError(
                f"expected augment.diameter as smallest, largest > 0, got {self.diameter}; "
                "swap or raise the two numbers"
            )
        _, deviation, smallest, largest = self.image_ratio
        if not (deviation > 0 and 0 < smallest < largest):
            raise ValueError(
                "expected augment.image_ratio as mean, deviation > 0, smallest > 0 and a larger "
                f"largest, got {self.image_ratio}; correct the four numbers"
            )
        return self


class ClickConfig(_Section):
    """Simulated clicks."""

    maximum: int = Field(24, ge=1)
    """Most initial clicks of either sign."""
    decay: float = Field(0.7, gt=0, lt=1)
    """Ratio of the probabilities of one more and of one fewer initial click."""
    single_probability: float = Field(0.5, ge=0, le=1)
    """How often the initial clicks are one positive click and nothing else."""
    rounds: int = Field(3, ge=0)
    """Most further clicks placed on the model's own errors; their number is drawn evenly."""
    class_probability: float = Field(0.15, ge=0, le=1)
    """How often a crop becomes a class-mode sample, where its set allows it."""
    previous_probability: float = Field(0.1, ge=0, le=1)
    """How often the first pass already sees a previous mask: the target, corrupted."""
    carried_probability: float = Field(0.0, ge=0, le=1)
    """How often, in a volume, it is the object's mask in a neighbouring slice instead."""
    unclicked_probability: float = Field(0.3, ge=0, le=1)
    """How often there is no click beside such a mask of another slice."""
    stroke_probability: float = Field(0.0, ge=0, le=1)
    """How often a step's objects begin with strokes instead of clicks."""
    box_probability: float = Field(0.0, ge=0, le=1)
    """How often an object begins with negative pixels around its box."""
    round_decay: float | None = Field(None, gt=0, le=1)
    """Where given, one more round is that much less likely, instead of evenly drawn."""
    threshold: float = Field(0.49, gt=0, lt=1)
    """Probability above which a pixel counts as object when errors are looked for."""


class LossConfig(_Section):
    """Weights of the loss terms."""

    focal_gamma: float = Field(2.0, ge=0)
    """Exponent of the normalised focal loss."""
    focal_alpha: float = Field(0.5, gt=0, lt=1)
    """Weight of object pixels in it; background has the rest."""
    amortisation: float = Field(0.001, ge=0)
    """Weight of the GP's own loss on its amortised click values."""
    overlap: float = Field(0.0, ge=0)
    """Weight of a soft intersection-over-union loss."""


class OptimiserConfig(_Section):
    """Optimiser, schedule and averaging."""

    name: Literal["adamw", "adam"] = "adamw"
    """Optimiser."""
    batch_size: int = Field(12, ge=1)
    """Crops in a step, over all processes."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate."""
    encoder_factor: float = Field(0.2, ge=0)
    """Learning rate of a pretrained encoder relative to the rest."""
    head_factor: float = Field(1.0, gt=0)
    """Learning rate of the head relative to the rest; the paper's is 10."""
    frozen_parts: tuple[str, ...] = ()
    """Modules, by the start of their dotted names, that keep their weights and statistics."""
    slow_parts: tuple[str, ...] = ()
    """Modules, by the start of their dotted names, that have the encoder's factor as well."""
    weight_decay: float = Field(1e-4, ge=0)
    """Weight decay of matrices and filters; norms, biases and the GP have none."""
    warmup_steps: int = Field(200, ge=0)
    """Steps of linear warm-up."""
    decay_fraction: float = Field(0.3, ge=0, le=1)
    """Last part of the run (of `steps`, or of the minutes) in which the rate falls to nothing."""
    epoch_crops: int | None = Field(None, ge=1)
    """Crops of an epoch, the unit of `epochs` and `milestones`."""
    epochs: float | None = Field(None, gt=0)
    """Length of the run in epochs, where `steps` is not given."""
    milestones: tuple[float, ...] = ()
    """Epochs after which the rate falls at once, to `milestone_factor` of what it was."""
    milestone_factor: float = Field(0.1, gt=0, lt=1)
    """See `milestones`."""
    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged weights, reached in a ramp; 0 averages nothing."""
    gradient_clip: float | None = Field(1.0, gt=0)
    """Largest norm of the gradient; no limit where there is none."""
    noise_variance: float = Field(1e-2, gt=0)
    """The GP's ε² in training."""
    freeze_batch_norm: bool = False
    """Whether the encoder's batch norms keep their pretrained statistics."""
    steps: int = Field(20_000, ge=1)
    """Length of the run in steps."""

    @model_validator(mode="before")
    @classmethod
    def _steps_of_epochs(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        epochs, crops = values.get("epochs"), values.get("epoch_crops")
        if (epochs or values.get("milestones")) and not crops:
            raise ValueError("expected epoch_crops beside epochs or milestones; add it")
        if epochs and crops and "steps" not in values:
            batch = values.get("batch_size", cls.model_fields["batch_size"].default)
            return {**values, "steps": round(float(epochs) * max(1, int(crops) // int(batch)))}
        return values

    @property
    def milestone_steps(self) -> tuple[int, ...]:
        """Steps after which the rate falls; the crops left over in an epoch are passed over."""
        steps = max(1, (self.epoch_crops or 0) // self.batch_size)
        return tuple(round(epoch * steps) for epoch in self.milestones)


class TrainConfig(_Section):
    """Everything that a training run is told."""

    network: dict[str, Any] = Field(default_factory=dict)
    """Fields of `napari_gpcis.model.NetworkConfig` that differ from its defaults."""
    data: tuple[DataSource, ...]
    """The data sets."""
    licence: str = ""
    """Licence of the weights that come out, for the model's card."""
    min_area: int = Field(30, ge=1)
    """Smallest object that is trained on, px of the image."""
    augment: AugmentConfig = AugmentConfig()
    clicks: ClickConfig = ClickConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    prior_initialisation: Literal["paper", "spectral"] = "paper"
    """How the GP's prior path begins: near zero and linear, as in the paper, or as a draw of the
    kernel's own spectral features."""
    seed: int = 0
    """Seed of crops, clicks and initial weights."""
    workers: int = Field(1, ge=0)
    """Processes that prepare batches; 0 prepares them in the training process."""

    @model_validator(mode="after")
    def _sections_agree(self) -> TrainConfig:
        names = [source.name for source in self.data]
        if len(set(names)) != len(names):
            raise ValueError(
                f"expected every data set once, got {names}; merge the repeated entries"
            )
        if not any(source.weight > 0 for source in self.data):
            raise ValueError(
                "expected a data set with a weight above 0, got none; raise a `weight` under `data`"
            )
        by_object = self.augment.framing == "object"
        side = self.augment.size
        if self.augment.wide_probability:
            side = max(side, self.augment.wide_size)
        if by_object and self.augment.diameter[1] > side:
            raise ValueError(
                f"expected objects no larger than the crop of {side} px, got "
                f"{self.augment.diameter[1]:g} px; lower augment.diameter or raise augment.size"
            )
        return self


def load_config(path: str | Path = "default", **overrides: Any) -> TrainConfig:
    """Read a configuration.

    Parameters
    ----------
    path
        Path of a YAML file, or the name of a shipped configuration. Its ``base``, where it has
        one, is a further such name or path, whose values it changes section by section.
    **overrides
        Values by dotted name with dots written as two underscores, e.g. ``network__head="conv"``;
        ``None`` leaves the file's value.

    Raises
    ------
    ValueError
        When the file is missing, unreadable, or a field is unknown or out of range.
    """
    values = _read(path)
    for name, value in overrides.items():
        if value is not None:
            _assign(values, name.split("__"), value)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the sections"
        raise ValueError(
            f"expected valid settings in {path}, got for {where}: {first['msg']}; "
            "correct that field"
        ) from error


def _read(path: str | Path, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """Values of a file, on those of its base; `above` are the files that it is the base of."""
    if str(path) in above:
        raise ValueError(
            f"expected a `base` that is no base of itself, got {' → '.join((*above, str(path)))}; "
            "correct the file"
        )
    file = resources.files(__package__) / "configs" / f"{path}.yaml"
    source = file if file.is_file() else Path(path)
    if not source.is_file():
        raise ValueError(
            f"expected a configuration file or one of {shipped_configs()}, got {path!s}; "
            "check the path"
        )
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"expected YAML in {path}, got: {error}; correct the file") from error
    if not isinstance(values, dict):
        raise ValueError(f"expected sections in {path}, got {type(values).__name__}; see default")
    base = values.pop("base", None)
    return values if base is None else _merge(_read(base, (*above, str(path))), values)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Sections are merged; numbers, names and lists are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        below = base.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _merge(below, value)
        merged[key] = value
    return merged


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = resources.files(__package__) / "configs"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def _assign(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
    values[keys[-1]] = value
