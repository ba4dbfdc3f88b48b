"""Patterns of files' paths, as shells have them."""

from __future__ import annotations

import re
from collections.abc import Iterable


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits a path below the archive, its parts divided by "/".

    A pattern with "/" in it is held against the whole path, any other against the name alone. `*`
    and `?` stand for what is within a name, `[abc]` for one character, `**` for any folders.
    """
    name = path.rpartition("/")[2]
    return any(compiled(p).fullmatch(path if "/" in p else name) for p in patterns)


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])", pattern.removeprefix("./"))
    return re.compile("".join(map(translated, parts)), re.DOTALL)


def translated(part: str) -> str:
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in known:
        return known[part]
    if part.startswith("[") and part.endswith("]") and len(part) > 2:
        inner = part[1:-1]
        negated = inner.startswith("!")
        letters = re.sub(r"([\\\[\]^&|~])", r"\\\1", inner[1:] if negated else inner)
        return f"[{'^/' if negated else ''}{letters}]"
    return re.escape(part)
