"""The methods. A new one is a file here, a line in METHODS, and a test."""

from engine.methods.base import Method, Retrieval
from engine.methods.ceiling import Ceiling
from engine.methods.dual_chunk import DualChunk
from engine.methods.dynamic_ntk import DynamicNTK
from engine.methods.lambda_only import Lambda
from engine.methods.leaky_rerope import LeakyReRoPE
from engine.methods.lm_infinite import LMInfinite
from engine.methods.ntk import NTK
from engine.methods.position_interpolation import PositionInterpolation
from engine.methods.rerope import ReRoPE
from engine.methods.self_extend import SelfExtend
from engine.methods.streaming_llm import StreamingLLM
from engine.methods.truncation import Truncation
from engine.methods.vanilla import Vanilla
from engine.methods.window import Window
from engine.methods.yarn import YaRN

METHODS: dict[str, type[Method]] = {
    method.key: method
    for method in (
        Vanilla,
        Window,
        Truncation,
        Lambda,
        Ceiling,
        LMInfinite,
        SelfExtend,
        StreamingLLM,
        ReRoPE,
        LeakyReRoPE,
        PositionInterpolation,
        NTK,
        DynamicNTK,
        YaRN,
        DualChunk,
    )
}

__all__ = ["METHODS", "Method", "Retrieval"]
