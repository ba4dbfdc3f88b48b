"""Everything that the bytes of an output depend on, in words that can be compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vsr import __version__
from vsr.media.frame_encoder import encoder_versions
from vsr.media.target import Target
from vsr.settings import UpscaleSettings

if TYPE_CHECKING:
    from vsr.networks.network import Network
    from vsr.pipeline.tiling import TiledEngine

ENDS = 1 << 20
"""Bytes of the source's beginning, and of its end, that are looked at."""

MTIME = "source's change, Unix time in ns"

WITHOUT_EFFECT = {
    *("model", "overwrite", "verify", "restart", "engine.threads", "engine.tile"),
    *("engine.optimization_level", "engine.workspace"),
    *("encoder.threads", "container"),
}
"""Settings that change no byte, or that are told apart by what became of them."""


def identity_of(
    source: str, target: Target, network: Network, engine: TiledEngine, settings: UpscaleSettings
) -> dict[str, str]:
    """Name -> value of all there is. Raises OSError where the source cannot be read."""
    facts = {
        **source_words(source),
        "network": f"{network.name} x{network.scale}",
        "network's sha256": network_digest(network),
        "engine": engine.kind,
        "engine's runtime": engine.runtime,
        "container": target.container,
        "encoder's threads": str(target.encoder.threads),
        "vsr": __version__,
        **encoder_versions(),
    }
    if settings.temporal:
        from vsr.pipeline.temporal import versions

        facts |= versions()
    return facts | settings_words(settings)


def settings_words(settings: UpscaleSettings) -> dict[str, str]:
    """Name -> value of all settings that change a byte, where they say something."""
    words = {name: str(value) for name, value in flat(asdict(settings)) if value is not None}
    return {name: value for name, value in words.items() if name not in WITHOUT_EFFECT}


def source_words(source: str) -> dict[str, str]:
    """A file as it is now: length, when it was changed, and a digest of both its ends."""
    state = os.stat(source)
    digest = hashlib.sha256()
    with open(source, "rb") as file:
        digest.update(file.read(ENDS))
        file.seek(max(file.tell(), state.st_size - ENDS))
        digest.update(file.read(ENDS))
    return {
        "source's bytes": str(state.st_size),
        MTIME: str(state.st_mtime_ns),
        "source's ends, sha256": digest.hexdigest(),
    }


def network_digest(network: Network) -> str:
    """SHA-256 of the network's model, and of its 8-bit twin's."""
    digest = hashlib.sha256()
    for model in (network.model, network.int8):
        if model is not None:
            digest.update(model.SerializeToString(deterministic=True))
    return digest.hexdigest()


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as ("encoder.crf", 20)."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is another, as "encoder.crf was 18, is 20"."""
    return [
        f"{name} was {before.get(name, 'not said')}, is {now.get(name, 'not said')}"
        for name in {**now, **before}
        if before.get(name) != now.get(name)
    ]
