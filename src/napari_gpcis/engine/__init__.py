"""From clicks to masks and labels: sessions, without Qt and without napari.

Names are imported on first use, as `__init__.pyi` says: clicks, labels and history need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
