"""The methods. A new one is a file here, a line in METHODS, and a test."""

from longsight.methods.base import Method, Retrieval
from longsight.methods.ceiling import Ceiling
from longsight.methods.dual_chunk import DualChunk
from longsight.methods.dynamic_ntk import DynamicNTK
from longsight.methods.lambda_only import Lambda
from longsight.methods.leaky_rerope import LeakyReRoPE
from longsight.methods.lm_infinite import LMInfinite
from longsight.methods.ntk import NTK
from longsight.methods.position_interpolation import PositionInterpolation
from longsight.methods.rerope import ReRoPE
from longsight.methods.self_extend import SelfExtend
from longsight.methods.streaming_llm import StreamingLLM
from longsight.methods.truncation import Truncation
from longsight.methods.vanilla import Vanilla
from longsight.methods.window import Window
from longsight.methods.yarn import YaRN

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
