"""The methods. A new one is a file here, a line in METHODS, and a test."""

from engine.methods.base import Method, Retrieval
from engine.methods.dual_chunk import DualChunk
from engine.methods.frequencies import NTK, DynamicNTK, PositionInterpolation, YaRN
from engine.methods.lm_infinite import Ceiling, Lambda, LMInfinite
from engine.methods.rerope import LeakyReRoPE, ReRoPE
from engine.methods.self_extend import SelfExtend
from engine.methods.streaming_llm import StreamingLLM
from engine.methods.truncation import Truncation
from engine.methods.vanilla import Vanilla
from engine.methods.window import Window

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
