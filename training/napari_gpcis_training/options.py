"""Options of the long commands, an option a field; the docstrings are the commands' help."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["BenchmarkOptions", "FinetuneOptions", "ObjectSplit", "Peer", "Protocol", "TrainOptions"]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of `napari-gpcis train`.

    Attributes
    ----------
    data
        Folder that holds the data sets.
    output
        Folder of checkpoints, log and model.
    config
        YAML file, or name of a shipped one.
    encoder_weights
        Pretrained encoder, safetensors.
    start_from
        Model whose weights to start with.
    head
        gp or conv; else the configuration's.
    minutes
        Length of the whole run, earlier sessions included; else the configured steps.
    steps
        Length of the run, or of the decay.
    batch_size
        Crops in a step.
    seed
        Seed of everything random.
    resume
        Go on from the output's checkpoint.
    decay_from
        Checkpoint from which the learning rate falls, over --steps.
    device
        auto, cpu, cuda or mps.
    threads
        Threads of torch, in each process.
    workers
        Processes that prepare batches.
    precision
        no, bf16 or fp16; bf16 on a CUDA device by default.
    processes
        Processes that share each step's crops: one for each GPU.
    save_minutes
        Time between checkpoints.
    log_steps
        Steps between lines of the log.
    validate_every
        Steps between validations on the way; 0 for none.
    validate_objects
        Objects per set of these.
    objects
        Objects per set in the last validation.
    overrides
        Further settings that differ from the configuration's, as `load_config` takes them; not on
        the command line.
    """

    data: Annotated[Path, typer.Option()]
    output: Annotated[Path, typer.Option()]
    config: Annotated[str, typer.Option()] = "default"
    encoder_weights: Annotated[Path | None, typer.Option()] = None
    start_from: Annotated[str | None, typer.Option(metavar="NAME_OR_PATH")] = None
    head: Annotated[str | None, typer.Option()] = None
    minutes: Annotated[float | None, typer.Option()] = None
    steps: Annotated[int | None, typer.Option()] = None
    batch_size: Annotated[int | None, typer.Option()] = None
    seed: Annotated[int | None, typer.Option()] = None
    resume: Annotated[bool, typer.Option()] = False
    decay_from: Annotated[Path | None, typer.Option()] = None
    device: Annotated[str, typer.Option()] = "auto"
    threads: Annotated[int | None, typer.Option()] = None
    workers: Annotated[int | None, typer.Option()] = None
    precision: Annotated[str | None, typer.Option()] = None
    processes: Annotated[int, typer.Option()] = 1
    save_minutes: Annotated[float, typer.Option()] = 5.0
    log_steps: Annotated[int, typer.Option()] = 50
    validate_every: Annotated[int, typer.Option()] = 0
    validate_objects: Annotated[int, typer.Option()] = 12
    objects: Annotated[int, typer.Option()] = 333
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the configuration that these options replace, as `load_config` takes them."""
        return {
            "network__head": self.head,
            "optimiser__batch_size": self.batch_size,
            "optimiser__steps": None if self.decay_from else self.steps,
            "seed": self.seed,
            "workers": self.workers,
            **self.overrides,
        }


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """Options of `napari-gpcis finetune`.

    Attributes
    ----------
    images
        Folder of images or stacks.
    labels
        Folder of their labels or masks, named alike (also NAME_labels …).
    output
        Model to write.
    model
        Model to start from.
    minutes
        Length of the training; chosen by the data.
    steps
        Length, in steps; with minutes, whichever ends first.
    seed
        Seed of split, crops and clicks.
    device
        auto, cpu, cuda or mps.
    axes
        Axes of the images as stored; from the files by default.
    """

    images: Annotated[Path, typer.Option(metavar="DIR")]
    labels: Annotated[Path, typer.Option(metavar="DIR")]
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL.safetensors")]
    model: Annotated[str, typer.Option(metavar="NAME_OR_PATH")] = "default"
    minutes: Annotated[float | None, typer.Option(min=0.01)] = None
    steps: Annotated[int | None, typer.Option(min=1)] = None
    seed: Annotated[int, typer.Option(min=0)] = 0
    device: Annotated[str, typer.Option()] = "auto"
    axes: Annotated[str | None, typer.Option(metavar="CYX")] = None


class Protocol(StrEnum):
    """Protocol by which clicks are answered."""

    paper = "paper"
    session = "session"


class ObjectSplit(StrEnum):
    """Part of a data set of our own form."""

    validation = "validation"
    everything = "all"


class Peer(StrEnum):
    """Methods without weights."""

    random_walker = "random-walker"
    grabcut = "grabcut"


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """Options of `napari-gpcis benchmark`.

    Attributes
    ----------
    datasets
        Data set, or folder of data sets; repeat for more.
    output
        Folder of records and report.
    models
        Model, or checkpoint of the reference implementation (.pth); repeat to compare. The default
        model, unless there are peers.
    peers
        Classical method to compare with; repeatable.
    layout
        How the folders are laid out: auto, folder (images/ and labels/), grabcut, berkeley, davis,
        sbd, coco_mval, dsb2018 or sstem.
    protocol
        paper: the network on a crop that follows the object. session: as the plugin answers.
    split
        Of images/ and labels/ folders: what our models never trained on.
    objects
        Objects per data set at most; else all there are.
    per_image
        Objects per image at most, save in the papers' sets.
    clicks
        Most clicks on an object; 100 for NoC₁₀₀ and NoF₁₀₀.
    crop_size
        Side of the paper protocol's crop, px; 384, of SBD 256.
    diameter
        Whether a session is told the median diameter of an image's objects.
    seed
        Seed of the sample of objects.
    resume
        Go on from the output's records.
    class_mode
        Also compare class mode with a random forest, on images/ and labels/.
    calibration
        Also draw reliability diagrams of the models, on images/ and labels/.
    guidance
        Also compare "click here next" with random clicks.
    device
        auto, cpu, cuda or mps.
    threads
        Threads of torch.
    """

    datasets: Annotated[list[Path], typer.Option("--dataset", metavar="DIR")]
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR")]
    models: Annotated[list[str] | None, typer.Option("--model", metavar="NAME_OR_PATH")] = None
    peers: Annotated[list[Peer] | None, typer.Option("--peer")] = None
    layout: Annotated[str, typer.Option()] = "auto"
    protocol: Annotated[Protocol, typer.Option()] = Protocol.paper
    split: Annotated[ObjectSplit, typer.Option()] = ObjectSplit.validation
    objects: Annotated[int | None, typer.Option(min=1)] = None
    per_image: Annotated[int, typer.Option(min=1)] = 5
    clicks: Annotated[int, typer.Option(min=20)] = 20
    crop_size: Annotated[int | None, typer.Option(min=32)] = None
    diameter: Annotated[bool, typer.Option()] = True
    seed: Annotated[int, typer.Option(min=0)] = 0
    resume: Annotated[bool, typer.Option()] = False
    class_mode: Annotated[bool, typer.Option()] = False
    calibration: Annotated[bool, typer.Option()] = False
    guidance: Annotated[bool, typer.Option()] = False
    device: Annotated[str, typer.Option()] = "auto"
    threads: Annotated[int | None, typer.Option(min=1)] = None

    @property
    def model_paths(self) -> list[str]:
        """Models to measure: the default one where neither a model nor a peer is given."""
        return self.models or ([] if self.peers else ["default"])
