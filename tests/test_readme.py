"""The README tells the truth: its code runs, its commands parse, its map of files is complete."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from films import Sound, Video, film
from runs import ROOT
from typer.main import get_command

from vsr.cli.main import app

README = (ROOT / "README.md").read_text()

BLOCK = re.compile(r"(<!-- not run -->\s*)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The code blocks of a language, but for those behind the comment `<!-- not run -->`."""
    return [
        text for skipped, kind, text in BLOCK.findall(README) if kind == language and not skipped
    ]


def commands() -> list[list[str]]:
    """Every `vsr ...` in the shell blocks, as words, up to the next command of a pipeline."""
    found = []
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
            words.whitespace_split = True
            part: list[str] = []
            for word in [*words, ";"]:
                if set(word) <= set("|&;<>"):
                    found.append(part)
                    part = []
                else:
                    part.append(word)
    return [part[1:] for part in found if part and part[0] == "vsr"]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a film to work on, as the README supposes."""
    movie = film(tmp_path / "movie.mp4", Video(frames=3), Sound("aac"))
    samples = ROOT / "samples"
    (tmp_path / "samples").mkdir()
    for path in [*samples.glob("*.mkv"), *samples.glob("*.mp4")]:
        (tmp_path / "samples" / path.name).symlink_to(path)
    if not (tmp_path / "samples/scene.mkv").exists():
        shutil.copy(movie, tmp_path / "samples/scene.mkv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_something_to_test() -> None:
    assert blocks("python")
    assert len(commands()) > 3


@pytest.mark.parametrize("code", blocks("python"))
def test_the_code_runs(workplace: Path, code: str) -> None:
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("words", commands(), ids=shlex.join)
def test_the_commands_are_understood(workplace: Path, words: list[str]) -> None:
    group = get_command(app)
    with group.make_context("vsr", list(words)) as context:
        rest = [*context._protected_args, *context.args]
        if rest:
            name, command, rest = group.resolve_command(context, rest)  # type: ignore[attr-defined]
            command.make_context(name, rest, parent=context)


def test_the_files_that_commands_name_are_there(workplace: Path) -> None:
    named = {word for words in commands() for word in words if word.startswith("samples/")}
    assert all(list(workplace.glob(name)) for name in named)


def test_the_map_lists_the_modules_that_exist_and_no_other() -> None:
    mapped = set(listed_files())
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "vsr").rglob("*.py")
        if path.stat().st_size and path.name != "__main__.py"
    }
    assert {path for path in mapped if path.endswith(".py")} == there
    assert [path for path in mapped if not (ROOT / path).exists()] == []


def listed_files() -> list[str]:
    """The paths in the README's tree: a folder a line; its files below it, one a line or more."""
    tree = README.split("### Files")[1].split("```")[1]
    found = []
    folders: list[tuple[int, str]] = []
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.match(r"\s*((?:[\w.]+(?:/|\.\w+)(?:\s+|$))+)", line)
        if names is None:
            continue
        folders = [folder for folder in folders if folder[0] < indent]
        above = "".join(name for _, name in folders)
        for name in names[1].split():
            found.append(above + name)
            if name.endswith("/"):
                folders.append((indent, name))
    return found
