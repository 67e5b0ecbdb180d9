"""What the papers report for their models, to compare shapes with. Numbers as printed there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reported:
    """A table of a paper: its source, its head, and its rows."""

    source: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


PERPLEXITY = Reported(
    "LM-Infinite (arXiv 2308.16137), table 1: perplexity on ArXiv",
    ("model", "2K", "4K", "8K", "16K", "32K"),
    (
        ("Llama-2 (trained on 4K)", "3.4", "3.8", "8.5e3", "NaN", "NaN"),
        ("Llama-2 + LM-Infinite", "4.33", "3.63", "3.33", "4.18", "6.49"),
        ("MPT-7B (ALiBi, trained on 2K)", "5.5", "250", "1.1e3", "1.7e3", "1.6e3"),
        ("MPT-7B + LM-Infinite", "5.69", "6.76", "5.79", "5.98", "4.60"),
        ("GPT-J (trained on 2K)", "3.9", "1.3e3", "1e3", "1.6e3", "280"),
        ("GPT-J + LM-Infinite", "3.84", "3.13", "3.00", "3.06", "2.14"),
    ),
)
INDEPENDENT = Reported(
    "LCEG, an independent comparison: perplexity of Llama-2-7B (trained on 4K) on PG19",
    ("method", "4K", "8K", "16K", "32K", "64K"),
    (
        ("LM-Infinite", "6.30", "6.25", "6.45", "6.71", "8.49"),
        ("SelfExtend", "6.32", "6.15", "6.07", "6.11", "7.15"),
        ("NTK", "6.30", "6.82", "7.94", "14.52", "-"),
    ),
)
PASSKEY = Reported(
    "LM-Infinite, Llama-2-7b-chat (trained on 4K): passkeys found [%]",
    ("method", "6K", "8K", "10K", "12K", "16K"),
    (
        ("vanilla", "0", "0", "0", "0", "0"),
        ("truncation", "66", "55", "39", "33", "27"),
        ("LM-Infinite + top-k", "70", "91", "87", "79", "79"),
    ),
)
QASPER = Reported(
    "LM-Infinite, Llama-2-7b-chat: Qasper F1 [%]",
    ("vanilla", "truncation", "LM-Infinite + top-k"),
    (("1.2", "30.1", "31.3"),),
)
RULER = Reported(
    "LCEG: RULER scores of Llama-2-7B (trained on 4K). Flat perplexity is not retrieval",
    ("method", "4K", "8K", "16K", "32K", "64K"),
    (
        ("LM-Infinite", "81", "30", "18", "12", "11"),
        ("SelfExtend", "65", "51", "44", "30", "9"),
    ),
)
EFFICIENCY = Reported(
    "LM-Infinite, 7B models at 32K tokens, against full attention",
    ("encoding", "decoding", "memory"),
    (("3.16 times faster", "2.72 times faster", "7.5 times less"),),
)
ABLATION = Reported(
    "LM-Infinite, figure 5: what happens past the trained length",
    ("method", "NLL past the trained length"),
    (
        ("vanilla", "explodes right after it"),
        ("Λ only", "explodes right after it"),
        ("ceiling only", "drifts up"),
        ("window", "fails"),
        ("LM-Infinite (both)", "stays flat"),
    ),
)
GENERATION = Reported(
    "LM-Infinite, figure 4: BLEU and ROUGE of 100 generated tokens",
    ("method", "past the trained length"),
    (("vanilla", "falls to nothing"), ("LM-Infinite", "stays where it was inside")),
)
TRADE_OFF = Reported(
    "LM-Infinite, figure 6: quality against compute of generation",
    ("method", "what is reported"),
    (("truncation", "quality rises with its window, and so does what it costs"),
     ("LM-Infinite", "at equal cost better than any truncation, because it does not read the window again")),
)  # fmt: skip
GROUPS = Reported(
    "SelfExtend (arXiv 2401.01325)",
    ("what", "reported"),
    (("perplexity", "flat inside the reach (L - W) * G + W"), ("large groups", "cost a little; small ones reach less")),
)
SHORT = Reported(
    "SelfExtend, table 5, and LM-Infinite, section 4",
    ("method", "inside the trained length"),
    (("SelfExtend", "about the same as the model alone"), ("LM-Infinite", "exactly the model alone")),
)
