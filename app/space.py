"""The Hugging Face Space: writes the README's front matter from the Spacefile, and publishes both.

python -m app.space check               whether the README, the requirements and the files agree with the Spacefile
python -m app.space card                write the README's front matter from the Spacefile
python -m app.space deploy [--dry-run]  publish the Space, or say what that would do
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from pydantic import BaseModel, ConfigDict, ValidationError

from app.assets import ROOT
from longsight.errors import LongSightError

LARGEST_FILE = 10_000_000
"""A Space takes files up to this size [bytes] by a plain push; larger ones need Git LFS."""
LONGEST_DESCRIPTION = 60
"""Hugging Face refuses a longer `short_description` [characters]."""


class SpacefileSection(BaseModel):
    """A part of the Spacefile. What is not named here would not be honoured, so it is refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Settings(SpacefileSection):
    """Of the Space itself; the Spacefile says what each is."""

    repo: str
    hardware: str
    sleep_time: int | None
    visibility: str
    variables: dict[str, str]
    secrets: list[str]


class Patterns(SpacefileSection):
    """Shell patterns over paths below the project's root."""

    include: list[str]
    exclude: list[str]


class Spacefile(SpacefileSection):
    """The manifest: `card` is the README's front matter, verbatim; `files` is what is published."""

    card: dict[str, Any]
    space: Settings
    files: Patterns

    @classmethod
    def read(cls, root: Path) -> "Spacefile":
        """Raises `LongSightError` when a block or a setting is missing, or is one that deploying would not honour."""
        try:
            return cls.model_validate(yaml.safe_load((root / "Spacefile").read_text(encoding="utf-8")))
        except ValidationError as problem:
            found = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in problem.errors()]
            raise LongSightError(f"The Spacefile cannot be used. {'; '.join(found)}.") from problem

    def published(self, root: Path) -> list[str]:
        """The files that are published, as paths below `root`, chosen as the Hub's client will choose them."""
        from huggingface_hub.utils import filter_repo_objects

        include, exclude = self.files.include, self.files.exclude
        return sorted(filter_repo_objects(_visible_files(root), allow_patterns=include, ignore_patterns=exclude))

    def on_top_of(self, page: str) -> str:
        """A Markdown page with the card as its front matter, in place of the one that it has."""
        body = page.split("---\n", 2)[2] if page.startswith("---\n") else page
        return f"---\n{yaml.safe_dump(self.card, sort_keys=False, allow_unicode=True)}---\n{body}"


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
    problems = _version_problems(manifest, root) + _file_problems(manifest, root)
    page = (root / "README.md").read_text(encoding="utf-8")
    if page != manifest.on_top_of(page):
        problems.append("README.md does not begin with the Spacefile's card; run `python -m app.space card`.")
    if (length := len(manifest.card.get("short_description", ""))) > LONGEST_DESCRIPTION:
        problems.append(
            f"The card's short_description has {length} characters; Hugging Face takes {LONGEST_DESCRIPTION}."
        )
    return problems


def creation(manifest: Spacefile) -> HubCall:
    """The call that makes the Space, or finds it where it exists already."""
    space = manifest.space
    made = {"space_sdk": manifest.card["sdk"], "space_hardware": space.hardware, "visibility": space.visibility}
    return HubCall("create_repo", {"repo_type": "space", **made, "exist_ok": True})


def plan(manifest: Spacefile) -> list[HubCall]:
    """The calls that publish the Space, after its creation: settings first, so that the first build has them."""
    space, files = manifest.space, manifest.files
    upload = {"repo_type": "space", "allow_patterns": files.include, "ignore_patterns": files.exclude}
    return [
        HubCall("request_space_hardware", {"hardware": space.hardware, "sleep_time": space.sleep_time}),
        *(HubCall("add_space_variable", {"key": key, "value": value}) for key, value in space.variables.items()),
        *(HubCall("add_space_secret", {"key": name}, secret=name) for name in space.secrets),
        HubCall("upload_folder", {**upload, "delete_patterns": "*"}),  # what is no longer published goes as well
    ]


def deploy(
    manifest: Spacefile, root: Path, api: Any, environment: Mapping[str, str], say: Callable[[str], object] = print
) -> str:
    """Publish the files below `root` through `api` (a `huggingface_hub.HfApi`) -> address of the Space.

    Raises `LongSightError` before the first call when `check` finds something or the environment lacks a secret, and
    with the Hub's own words when it refuses a call.
    """
    missing = [name for name in manifest.space.secrets if name not in environment]
    problems = check(manifest, root) + [f"The environment lacks {name}, which the Spacefile lists." for name in missing]
    if problems:
        raise LongSightError("Nothing was published. " + " ".join(problems))
    space = _call(api, creation(manifest), {"repo_id": manifest.space.repo}, say)
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


def _visible_files(root: Path) -> Iterator[str]:
    """Every file below `root` outside hidden folders, relative and with forward slashes."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names)


def _version_problems(manifest: Spacefile, root: Path) -> list[str]:
    """The Space installs gradio by the card and torch by pre-requirements.txt: both must be what the project admits."""
    asked = _requirements(root / "requirements.txt")
    first = [
        Requirement(f"gradio=={manifest.card.get('sdk_version')}"),
        *_requirements(root / "pre-requirements.txt").values(),
    ]
    return [
        f"The Space would install {chosen}, but requirements.txt asks for {asked[chosen.name]}."
        for chosen in first
        if chosen.name in asked
        and not all(asked[chosen.name].specifier.contains(pin.version) for pin in chosen.specifier)
    ]


def _requirements(path: Path) -> dict[str, Requirement]:
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return {needed.name: needed for needed in map(Requirement, filter(None, lines))}


def _file_problems(manifest: Spacefile, root: Path) -> list[str]:
    paths = manifest.published(root)
    problems = [
        f"The Spacefile publishes {pattern!r}, but no file matches it."
        for pattern in manifest.files.include
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
        manifest.space.repo = chosen.repo
    if chosen.command == "card":
        page = root / "README.md"
        page.write_text(manifest.on_top_of(page.read_text(encoding="utf-8")), encoding="utf-8")
    elif chosen.command == "deploy" and not chosen.dry_run:
        from huggingface_hub import HfApi

        print(deploy(manifest, root, HfApi(), os.environ))
    else:
        report(manifest, root, with_calls=chosen.command == "deploy")


def report(manifest: Spacefile, root: Path, with_calls: bool) -> None:
    """Print what would be published. Raises `LongSightError` with everything that `check` finds."""
    if problems := check(manifest, root):
        raise LongSightError("\n".join(problems))
    paths = manifest.published(root)
    if with_calls:
        calls = [creation(manifest), *plan(manifest)]
        print(f"To {manifest.space.repo}, without calling anyone:", *calls, *paths, sep="\n")
    size = sum((root / path).stat().st_size for path in paths)
    print(f"{len(paths)} files, {size / 1e6:.1f} MB: ready to be published.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
