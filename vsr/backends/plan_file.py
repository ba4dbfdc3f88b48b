"""One built engine on disk: what it is the engine of, its plan, and what is known of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vsr import __version__

DIGITS = 12
"""Of an identity's SHA-256, in a file's name: 48 bits, one chance in 10**10 for 200 engines."""


class Unusable(Exception):  # noqa: N818 (no error: the store builds the engine again)
    """Why a stored engine will not do; no words where there is none."""


@dataclass(frozen=True)
class EngineKey:
    """All that decides an engine's bytes: what has another key is another engine."""

    graph: str
    """SHA-256 of the frame graph."""
    runtime: str
    """Name and version: tensorrt 11.4.0.106."""
    device: str
    """The GPU's name."""
    compute_capability: str
    driver: str
    precision: str
    shapes: str
    optimization_level: int
    """How long the runtime searched when it was built, 0 to 5."""
    workspace: int
    """Bytes that one layer may use beside its planes; 0: all that there are."""
    title: str = field(default="", compare=False)
    """For people, and no part of the identity: fast_x2 640x360 yuv420p."""

    @property
    def digest(self) -> str:
        """SHA-256 of the identity."""
        identity = {name: value for name, value in asdict(self).items() if name != "title"}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    @property
    def stem(self) -> str:
        """The name of its files, without their endings."""
        return f"{slug(f'{self.title} {self.precision} {self.device}')}-{self.digest[:DIGITS]}"


@dataclass(frozen=True)
class Entry:
    """What the manifest, NAME.json, says of the plan beside it, NAME.plan."""

    plan: Path
    key: EngineKey
    size: int
    """Bytes."""
    sha256: str
    """Of the plan."""
    built: datetime
    build_seconds: float
    vsr: str
    """The version that built it."""

    @property
    def manifest(self) -> Path:
        return self.plan.with_suffix(".json")

    @property
    def used(self) -> datetime:
        """When it was last loaded."""
        return datetime.fromtimestamp(self.plan.stat().st_mtime, UTC)


def read_manifest(path: Path) -> Entry:
    """Raises Unusable where it is none."""
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        key = EngineKey(**facts.pop("key"))
        built = datetime.fromisoformat(facts.pop("built"))
        return Entry(path.with_suffix(".plan"), key, built=built, **facts)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unusable(f"its manifest cannot be read ({error})") from error


def read_plan(entry: Entry) -> bytes:
    """The plan as it was written. Raises Unusable, with the reason, for any other."""
    try:
        descriptor = os.open(entry.plan, os.O_RDONLY | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            owner = os.fstat(descriptor).st_uid
            plan = file.read()
    except OSError as error:
        raise Unusable(f"its plan cannot be read ({error.strerror})") from error
    if owner not in (os.geteuid(), 0):
        raise Unusable("its plan belongs to another user")
    if len(plan) != entry.size:
        raise Unusable(f"its plan has {len(plan)} bytes, not {entry.size}")
    if hashlib.sha256(plan).hexdigest() != entry.sha256:
        raise Unusable("its plan is not what was written: the SHA-256 differs")
    return plan


def write(path: Path, key: EngineKey, plan: bytes, build_seconds: float) -> None:
    """Write plan and manifest, each whole or not at all. Raises OSError. One process at a time."""
    facts = {
        "key": asdict(key),
        "size": len(plan),
        "sha256": hashlib.sha256(plan).hexdigest(),
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "build_seconds": round(build_seconds, 1),
        "vsr": __version__,
    }
    replace_bytes(path, plan)
    replace_bytes(path.with_suffix(".json"), json.dumps(facts, indent=2).encode())


def replace_bytes(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def slug(words: str) -> str:
    """A name for a file: letters, digits, points; all else becomes a hyphen."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", words).strip("-")
