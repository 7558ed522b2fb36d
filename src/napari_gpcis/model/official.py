"""Import of checkpoints of the GPCIS reference implementation, its ResNet50 variant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_gpcis.model.config import NetworkConfig
from napari_gpcis.model.network import SegmentationNetwork, build_network
from napari_gpcis.model.state import ModelFileError, copy_state

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFICIAL_CONFIG = NetworkConfig(
    fusion="paper", encoder="resnet50s", head="gp", feature_dim=48, fourier_features=256
)
_LFS_POINTER = b"version https://git-lfs"
_REMEDY = "give the ResNet50 checkpoint of the GPCIS reference implementation"

# start of our name → start of the reference's; the first that fits
_RENAMES = {
    "fusion.deeplab.encoder.": "model.backbone.",
    "fusion.deeplab.side.": "maps_transform.",
    "fusion.deeplab.aspp.rates.": "model.aspp.concurent.",
    "fusion.deeplab.aspp.whole.": "model.aspp.concurent.4.gap.",
    "fusion.deeplab.aspp.project.": "model.aspp.project.",
    "fusion.deeplab.skip.": "model.skip_project.skip_project.",
    "fusion.deeplab.head.0.": "model.head.block.0.body.",
    "fusion.deeplab.head.1.": "model.head.block.1.body.",
    "fusion.deeplab.head.2.": "model.head.block.2.",
    "head.classifier.prior_path.theta.": "theta.",
    "head.classifier.prior_path.omega_std": "omega_var",
    "head.classifier.prior_path.omega": "omega",
    "head.classifier.log_precision": "logsigma2",
    "head.classifier.raw_colour_weight": "weights",
    "head.classifier.target_mlp.": "u_mlp.",
}
# what a variant's class name or tensor names contain
_OTHER_VARIANTS = {
    "HRNet18s": ("hrnet", "transition1."),
    "SegFormer-B0": ("segformer", "patch_embed"),
}


def import_official(path: str | Path) -> SegmentationNetwork:
    """Read a reference checkpoint into a network of the paper fusion.

    Parameters
    ----------
    path : str or Path
        A file holding ``{'state_dict': …, 'config': …}``.

    Returns
    -------
    SegmentationNetwork
        On the CPU, in evaluation mode.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of another variant, or anything else than tensors and
        plain values; objects in it are never unpickled.
    """
    state = _read_state(Path(path))
    network = build_network(OFFICIAL_CONFIG)
    own = {official_name(name): tensor for name, tensor in network.state_dict().items()}
    copy_state(own, state, _REMEDY)
    return network.eval()


def official_name(name: str) -> str:
    """Translate a name in the state of our paper network into the reference's.

    Parameters
    ----------
    name : str
        Such as ``fusion.deeplab.skip.0.weight``.

    Returns
    -------
    str
        Such as ``model.skip_project.skip_project.0.weight``.

    Raises
    ------
    ValueError
        If the reference has no such tensor.
    """
    for start, replacement in _RENAMES.items():
        if name.startswith(start):
            return replacement + name.removeprefix(start)
    raise ValueError(
        f"expected the name of a tensor of the paper network, got {name!r}; "
        "build the network with fusion 'paper' and head 'gp'"
    )


def _read_state(path: Path) -> Mapping[str, Tensor]:
    checkpoint = _load_plain(path)
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise ModelFileError(
            f"expected a dictionary with 'state_dict' in {path}, got another content; {_REMEDY}"
        )
    state: dict[str, Tensor] = checkpoint["state_dict"]
    if not all(isinstance(n, str) and isinstance(t, Tensor) for n, t in state.items()):
        raise ModelFileError(f"expected only tensors in the 'state_dict' of {path}; {_REMEDY}")
    _refuse_other_variants(path, checkpoint.get("config"), state)
    return state


def _load_plain(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise ModelFileError(
            f"expected a checkpoint at {path}, got {error.strerror}; check the path"
        ) from error
    if start == _LFS_POINTER:
        raise ModelFileError(
            f"expected a checkpoint at {path}, got a Git LFS pointer to it; "
            "fetch the file itself with 'git lfs pull'"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles raise whatever they stumble over
        raise ModelFileError(
            f"expected tensors and plain values in {path}, got a damaged or foreign file, or one "
            f"with Python objects, which are never unpickled; download it again, or {_REMEDY}"
        ) from error


def _refuse_other_variants(path: Path, config: object, state: Mapping[str, Tensor]) -> None:
    class_name = str(config.get("class", "")) if isinstance(config, dict) else ""
    names = " ".join([class_name.lower(), *state])
    for variant, signs in _OTHER_VARIANTS.items():
        if any(sign in names for sign in signs):
            raise ModelFileError(
                f"expected a checkpoint of the ResNet50 variant, got one of {variant} in {path}; "
                "only ResNet50 can be imported now"
            )
