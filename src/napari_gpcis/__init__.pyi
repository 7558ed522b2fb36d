from .batch.segment import segment_stack as segment_stack
from .engine.result import Result as Result
from .engine.session import Session as Session
from .model.checkpoint import load_model as load_model

__version__: str
