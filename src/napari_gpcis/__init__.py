"""A click becomes a mask: interactive segmentation as Gaussian process classification.

`load_model` and `Session` are all that a script needs, `segment_stack` what a night needs. They are
imported on first use, as `__init__.pyi` says, so that importing this package, as napari does when
it starts, costs next to nothing.
"""

from typing import Any

import lazy_loader

_attribute, _, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["__version__", *_names]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-gpcis")
    return _attribute(name)


def __dir__() -> list[str]:
    return sorted(__all__)
