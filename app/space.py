"""The Hugging Face Space: holds the README to the Spacefile, and publishes both.

python -m app.space check               whether the README, the requirements and the files agree with the Spacefile
python -m app.space card                write the README's front matter from the Spacefile
python -m app.space deploy [--dry-run]  publish the Space, or say what that would do
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

from app.assets import ROOT
from longsight.errors import LongSightError

LARGEST_FILE = 10_000_000
"""A Space takes files up to this size [bytes] by a plain push; larger ones need Git LFS."""
LONGEST_DESCRIPTION = 60
"""Hugging Face refuses a longer `short_description` [characters]."""
SETTINGS = {"repo", "hardware", "sleep_time", "visibility", "variables", "secrets"}
PATTERNS = {"include", "exclude"}


@dataclass(frozen=True)
class Spacefile:
    """The manifest: `card` is the front matter verbatim, `space` the settings, `files` what is published."""

    card: dict[str, Any]
    space: dict[str, Any]
    files: dict[str, list[str]]

    @classmethod
    def read(cls, root: Path) -> "Spacefile":
        """Raises `LongSightError` when a block or a setting is missing, or is one that deploying would not honour."""
        blocks = yaml.safe_load((root / "Spacefile").read_text(encoding="utf-8"))
        _require("The Spacefile", blocks, {spec.name for spec in fields(cls)})
        _require("The Spacefile's block 'space'", blocks["space"], SETTINGS)
        _require("The Spacefile's block 'files'", blocks["files"], PATTERNS)
        return cls(**blocks)

    def published(self, root: Path) -> list[str]:
        """The files that are published, as paths below `root`, chosen as the Hub's client will choose them."""
        from huggingface_hub.utils import filter_repo_objects

        return sorted(
            filter_repo_objects(
                _visible_files(root), allow_patterns=self.files["include"], ignore_patterns=self.files["exclude"]
            )
        )


@dataclass(frozen=True)
class HubCall:
    """One call of `huggingface_hub.HfApi`: its name and its arguments, less the repository and a secret's value."""

    call: str
    arguments: dict[str, Any]
    secret: str | None = None

    def __str__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self.arguments.items()]
        if self.secret:
            shown.append(f"value=<{self.secret} of the environment>")
        return f"{self.call}({', '.join(shown)})"


def check(manifest: Spacefile, root: Path) -> list[str]:
    """What stands in the way of publishing, one sentence each; empty when nothing does."""
    return _card_problems(manifest, root) + _version_problems(manifest, root) + _file_problems(manifest, root)


def write_card(manifest: Spacefile, root: Path) -> None:
    """Write the README's front matter from the manifest and leave the rest of it alone."""
    from huggingface_hub import metadata_save

    metadata_save(root / "README.md", manifest.card)


def plan(manifest: Spacefile) -> list[HubCall]:
    """The calls that publish the Space, after its creation: settings first, so that the first build has them."""
    space = manifest.space
    steps = [HubCall("request_space_hardware", {"hardware": space["hardware"], "sleep_time": space["sleep_time"]})]
    steps += [HubCall("add_space_variable", {"key": key, "value": value}) for key, value in space["variables"].items()]
    steps += [HubCall("add_space_secret", {"key": name}, secret=name) for name in space["secrets"]]
    upload = {"allow_patterns": manifest.files["include"], "ignore_patterns": manifest.files["exclude"]}
    # What is no longer published goes from the Space in the same commit.
    return [*steps, HubCall("upload_folder", {"repo_type": "space", "delete_patterns": "*", **upload})]


def creation(manifest: Spacefile) -> HubCall:
    """The call that makes the Space, or finds it where it exists already."""
    visibility = manifest.space["visibility"]
    return HubCall(
        "create_repo", {"repo_type": "space", "space_sdk": "gradio", "visibility": visibility, "exist_ok": True}
    )


def deploy(
    manifest: Spacefile, root: Path, api: Any, environment: Mapping[str, str], say: Callable[[str], object] = print
) -> str:
    """Publish the files below `root` through `api` (a `huggingface_hub.HfApi`) -> address of the Space.

    Raises `LongSightError` before the first call when `check` finds something or the environment lacks a secret, and
    with the Hub's own words when it refuses a call.
    """
    missing = [name for name in manifest.space["secrets"] if name not in environment]
    problems = check(manifest, root) + [f"The environment lacks {name}, which the Spacefile lists." for name in missing]
    if problems:
        raise LongSightError("Nothing was published. " + " ".join(problems))
    space = _call(api, creation(manifest), {"repo_id": manifest.space["repo"]}, say)
    for step in plan(manifest):
        more = {"repo_id": space.repo_id}
        if step.secret:
            more["value"] = environment[step.secret]
        if step.call == "upload_folder":
            more["folder_path"] = str(root)
        _call(api, step, more, say)
    return str(space)


def _call(api: Any, step: HubCall, more: dict[str, str], say: Callable[[str], object]) -> Any:
    from huggingface_hub.errors import HFValidationError, HTTPError, LocalTokenNotFoundError

    say(str(step))
    try:
        return getattr(api, step.call)(**step.arguments, **more)
    except LocalTokenNotFoundError as error:
        raise LongSightError("Publishing needs an account: run `hf auth login` or set HF_TOKEN.") from error
    except (HTTPError, HFValidationError) as error:
        raise LongSightError(f"{step.call} did not succeed for {more['repo_id']}: {error}") from error


def _require(what: str, block: Any, keys: set[str]) -> None:
    found = set(block) if isinstance(block, dict) else set()
    if found != keys:
        listed = {
            name: ", ".join(sorted(these)) or "nothing"
            for name, these in (("lacks", keys - found), ("has", found - keys))
        }
        raise LongSightError(
            f"{what} lacks {listed['lacks']} and has {listed['has']} too many; it holds {', '.join(sorted(keys))}."
        )


def _visible_files(root: Path) -> Iterator[str]:
    """Every file below `root` outside hidden folders, relative and with forward slashes."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names)


def _card_problems(manifest: Spacefile, root: Path) -> list[str]:
    from huggingface_hub import metadata_load

    problems = []
    written = metadata_load(root / "README.md") or {}
    for key in sorted(set(written) | set(manifest.card)):
        if written.get(key) != manifest.card.get(key):
            problems.append(
                f"README.md says {key}: {written.get(key)!r}, the Spacefile says {manifest.card.get(key)!r}; "
                "run `python -m app.space card`."
            )
    description = manifest.card.get("short_description", "")
    if len(description) > LONGEST_DESCRIPTION:
        problems.append(
            f"The card's short_description has {len(description)} characters; Hugging Face takes {LONGEST_DESCRIPTION}."
        )
    return problems


def _version_problems(manifest: Spacefile, root: Path) -> list[str]:
    """The Space installs gradio by the card and torch by pre-requirements.txt: both must be what the project admits."""
    admitted = _requirements(root / "requirements.txt")
    chosen = {"gradio": f"=={manifest.card.get('sdk_version')}"}
    chosen |= {name: str(needed.specifier) for name, needed in _requirements(root / "pre-requirements.txt").items()}
    problems = []
    for name, pin in chosen.items():
        version = pin.removeprefix("==")
        if name in admitted and not admitted[name].specifier.contains(version):
            problems.append(
                f"The Space would install {name} {version}, but requirements.txt asks for {admitted[name]}."
            )
    return problems


def _requirements(path: Path) -> dict[str, Requirement]:
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    parsed = [Requirement(line) for line in lines if line]
    return {needed.name: needed for needed in parsed}


def _file_problems(manifest: Spacefile, root: Path) -> list[str]:
    paths = manifest.published(root)
    problems = [
        f"The Spacefile publishes {pattern!r}, but no file matches it."
        for pattern in manifest.files["include"]
        if not any(fnmatchcase(path, pattern) for path in paths)
    ]
    sizes = {path: (root / path).stat().st_size for path in paths}
    problems += [
        f"{path} has {size:,} bytes; a Space takes at most {LARGEST_FILE:,} per file. Shrink it, or exclude it."
        for path, size in sizes.items()
        if size > LARGEST_FILE
    ]
    return problems


def main(arguments: list[str], root: Path = ROOT) -> int:
    """The command line -> exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m app.space", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=("check", "card", "deploy"))
    parser.add_argument("--dry-run", action="store_true", help="with deploy: print the calls and the files, and stop")
    parser.add_argument("--repo", help="with deploy: owner/name instead of the Spacefile's")
    chosen = parser.parse_args(arguments)
    try:
        _run(chosen, root)
    except LongSightError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(chosen: argparse.Namespace, root: Path) -> None:
    manifest = Spacefile.read(root)
    if chosen.repo:
        manifest.space["repo"] = chosen.repo
    if chosen.command == "card":
        write_card(manifest, root)
    elif chosen.command == "deploy" and not chosen.dry_run:
        from huggingface_hub import HfApi

        print(deploy(manifest, root, HfApi(), os.environ))
    else:
        report(manifest, root, with_calls=chosen.command == "deploy")


def report(manifest: Spacefile, root: Path, with_calls: bool) -> None:
    """Print what would be published. Raises `LongSightError` with everything that `check` finds."""
    problems = check(manifest, root)
    if problems:
        raise LongSightError("\n".join(problems))
    paths = manifest.published(root)
    if with_calls:
        print(
            f"To {manifest.space['repo']}, without calling anyone:",
            creation(manifest),
            *plan(manifest),
            *paths,
            sep="\n",
        )
    size = sum((root / path).stat().st_size for path in paths)
    print(f"{len(paths)} files, {size / 1e6:.1f} MB: ready to be published.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
