"""Where each method breaks: the mean negative log-likelihood of held-out texts, band by band of their positions.

`python -m benchmarks.nll_by_position TEXTS [MODEL]`, where TEXTS is a folder of text files. The level to keep is that
of the same tokens when each band is read alone, as a text of its own inside the trained length: so a harder passage is
no fault of a method.
"""

if __name__ == "__main__":  # before torch is imported
    from longsight.processor import wait_asleep

    wait_asleep()

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from analysis.runs import methods_argument, read_one
from benchmarks.subject import DEFAULT
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model, load

ALONE = "each band alone"
"""The level to keep."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nll_by_position", description=__doc__)
    parser.add_argument("texts", type=Path, help="a folder of held-out text files, searched through")
    parser.add_argument("model", nargs="?", default=str(DEFAULT), help="a folder with a model and its tokenizer")
    parser.add_argument("--length", type=int, default=8192, help="tokens read of each text")
    parser.add_argument("--count", type=int, default=4, help="how many texts are read")
    parser.add_argument(
        "--methods",
        type=methods_argument,
        default=list(METHODS),
        help='"vanilla;self-extend:group=4"',
    )
    parser.add_argument("--out", type=Path, help="a JSON file for all figures")
    return parser.parse_args()


def read_texts(folder: Path, model: Model, length: int, count: int) -> np.ndarray:
    """The first `length` tokens of the first `count` files that have as many (text, token)."""
    if model.tokenizer is None:
        raise LongSightError(f"{model.name} has no tokenizer, so it cannot read {folder}.")
    found: list[list[int]] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if len(found) == count:
            break
        ids = model.tokenizer.encode(path.read_text(encoding="utf-8")[: 12 * length], add_special_tokens=False)
        if len(ids) >= length:
            found.append(ids[:length])
    if not found:
        raise LongSightError(f"{folder} holds no text of {length:,} tokens; name another folder or a smaller --length.")
    return np.array(found)


def nll_of(model: Model, texts: np.ndarray, method: Method) -> np.ndarray:
    """NLL [nats] of every token (text, token); the first one of each text is predicted by nothing and is NaN."""
    rows = [np.concatenate(([np.nan], model.nll(ids, method))) for ids in texts]
    return np.stack(rows)


def level(model: Model, texts: np.ndarray, size: int) -> np.ndarray:
    """NLL of the same tokens with every band read as a text of its own (text, token)."""
    vanilla = METHODS["vanilla"]()
    rows = [np.concatenate([nll_of(model, part[None], vanilla)[0] for part in ids.reshape(-1, size)]) for ids in texts]
    return np.stack(rows)


def measure(model: Model, texts: np.ndarray, methods: list[str]) -> Iterator[tuple[str, Method | None, np.ndarray]]:
    """(name, method, mean NLL per band), first of the level to keep. Band beginnings count for nobody."""
    size = model.train_length
    alone = level(model, texts, size)
    first = np.isnan(alone)

    def banded(nll: np.ndarray) -> np.ndarray:
        kept = np.ma.masked_array(nll, first).reshape(len(nll), -1, size)
        return kept.mean(axis=(0, 2)).filled(np.nan)

    yield ALONE, None, banded(alone)
    for text in tqdm(methods, desc="measuring", unit="method"):
        method = read_one(model, text, texts.shape[1])
        try:
            model.seam.check_method(method)
        except LongSightError as problem:
            tqdm.write(str(problem))
            continue
        yield text, method, banded(nll_of(model, texts, method))


def reach_of(method: Method | None, model: Model, length: int) -> str:
    """Whether the method claims the whole text."""
    if method is None:
        return ""
    reach = method.reach(model.train_length)
    return "inside its reach" if reach is None or reach >= length else f"reaches {reach:,}"


def show(title: str, rows: list[tuple[str, np.ndarray, str]], size: int) -> None:
    width = max(len(name) for name, _, _ in rows) + 2
    ends = [size * (n + 1) for n in range(len(rows[0][1]))]
    print(f"\n{title}\n" + " " * width + "".join(f"{end:>7}" for end in ends))
    for name, values, note in rows:
        cells = "".join("      -" if np.isnan(value) else f"{value:7.2f}" for value in values)
        print(name.ljust(width) + cells + f"   {note}")


def main() -> None:
    options = arguments()
    model = load(options.model)
    size = model.train_length
    texts = read_texts(options.texts, model, options.length // size * size, options.count)
    length = texts.shape[1]
    found = list(measure(model, texts, options.methods))
    base = found[0][2]
    print(f"{model.name}: {len(texts)} texts of {length:,} tokens, bands of {size} (columns: where a band ends)")
    notes = [reach_of(method, model, length) for _, method, _ in found]
    show("mean NLL [nats per token]", [(n, v, note) for (n, _, v), note in zip(found, notes, strict=True)], size)
    show(
        "as a share of the same tokens, each band alone",
        [(n, v / base, note) for (n, _, v), note in zip(found, notes, strict=True)],
        size,
    )
    print("\n" + "\n".join(f"{name}: {method.describe()}" for name, method, _ in found if method is not None))
    if options.out is not None:
        rows = [{"method": name, "nll": np.round(values, 5).tolist()} for name, _, values in found]
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
