"""The methods. A new one is a file here, a line in the table, and its law in plain numbers among those of the tests."""

from longsight.methods.base import Method as Method
from longsight.methods.fetching import Retrieval as Retrieval

# The table: one line a method, in the order in which they are shown everywhere.
# isort: off
from longsight.methods.vanilla import Vanilla as Vanilla
from longsight.methods.window import Window as Window
from longsight.methods.truncation import Truncation as Truncation
from longsight.methods.lambda_only import Lambda as Lambda
from longsight.methods.ceiling import Ceiling as Ceiling
from longsight.methods.lm_infinite import LMInfinite as LMInfinite
from longsight.methods.self_extend import SelfExtend as SelfExtend
from longsight.methods.streaming_llm import StreamingLLM as StreamingLLM
from longsight.methods.rerope import ReRoPE as ReRoPE
from longsight.methods.leaky_rerope import LeakyReRoPE as LeakyReRoPE
from longsight.methods.position_interpolation import PositionInterpolation as PositionInterpolation
from longsight.methods.ntk import NTK as NTK
from longsight.methods.dynamic_ntk import DynamicNTK as DynamicNTK
from longsight.methods.yarn import YaRN as YaRN
from longsight.methods.dual_chunk import DualChunk as DualChunk
from longsight.methods.string import String as String
from longsight.methods.dpe import DPE as DPE
from longsight.methods.lampe import LaMPE as LaMPE
from longsight.methods.duo import Duo as Duo
from longsight.methods.infllm import InfLLM as InfLLM
from longsight.methods.reattention import ReAttention as ReAttention
from longsight.methods.composed import Composed as Composed
# isort: on

METHODS: dict[str, type[Method]] = {
    kind.key: kind
    for kind in tuple(globals().values())
    if isinstance(kind, type) and issubclass(kind, Method) and kind is not Method
}
"""Every method by its key, in the order of the table."""
