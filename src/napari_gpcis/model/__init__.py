"""Networks: encoder, decoder and head, and the files that hold them.

Names are imported on first use, as `__init__.pyi` says: where models lie can be asked without
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
