"""A version: a directory of what was promoted, named by its content, never written again."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.champion import PriorFile, is_version
from policies.errors import BadInput
from replay.release.registry_files import (
    PART,
    copy_new,
    move,
    read_bytes,
    sha256_of,
    sync,
    write_new,
)

ROOM = "versions"
MANIFEST = "version.json"
SCHEMA = 1


@dataclass(frozen=True)
class Version:
    """What `version.json` says."""

    name: str  # v0001-<12 digits of content>
    content: str  # SHA-256 of all below
    spec: str
    features: str
    package: str  # version of this package
    priors: tuple[PriorFile, ...]  # paths within the version
    files: Mapping[str, tuple[str, int]]  # path: SHA-256, bytes

    def to_dict(self) -> dict[str, Any]:
        """The object of its manifest."""
        return {
            "schema": SCHEMA,
            "kind": "version",
            "name": self.name,
            "content": self.content,
            **_content(self.spec, self.features, self.package, self.priors, self.files),
        }


Source = Path | bytes


def register(
    registry: Path,
    spec: str,
    features: str,
    package: str,
    priors: tuple[PriorFile, ...],
    sources: Mapping[str, Source],
) -> Version:
    """A new version, or the one that has this content already; call it as the only writer.

    `sources`: what goes under which path, `priors` among them. It is in its place whole or
    not at all.
    """
    room = registry / ROOM
    room.mkdir(exist_ok=True)
    part = room / f"{PART}{os.getpid()}"
    part.mkdir()
    try:
        files = {path: _copied(source, part / path) for path, source in sorted(sources.items())}
        told = _content(spec, features, package, priors, files)
        content = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        names = version_names(registry)
        same = [name for name in names if name.endswith(content[:12])]
        if same:
            found = read_version(registry, same[0])
            if found.content == content and not changed(registry, same[0]):
                return found
            raise BadInput(f"{ROOM}/{same[0]}", "was edited: it has the name of this content")
        number = 1 + max((int(name[1:].partition("-")[0]) for name in names), default=0)
        version = Version(
            f"v{number:04d}-{content[:12]}", content, spec, features, package, priors, files
        )
        text = json.dumps(version.to_dict(), indent=2, ensure_ascii=False) + "\n"
        write_new(part / MANIFEST, text.encode())
        for directory in sorted({part, *(p for p in part.rglob("*") if p.is_dir())}, reverse=True):
            sync(directory)
        move(part, room / version.name)
        return version
    finally:
        if part.exists():
            shutil.rmtree(part)


def version_names(registry: Path) -> list[str]:
    """All versions in their order."""
    room = registry / ROOM
    names = [p.name for p in room.iterdir() if is_version(p.name)] if room.is_dir() else []
    return sorted(names, key=lambda name: int(name[1:].partition("-")[0]))


def read_version(registry: Path, name: str) -> Version:
    """The manifest. Raises `BadInput` when it is missing, unreadable or not of its content."""
    where = f"{ROOM}/{name}/{MANIFEST}"
    if not is_version(name) or not (registry / ROOM / name).is_dir():
        known = ", ".join(version_names(registry)) or "none"
        raise BadInput("version", f"must be one of {registry}: {known}", name)
    try:
        record = json.loads(read_bytes(registry / ROOM / name / MANIFEST))
        found = Version(
            record["name"],
            record["content"],
            record["spec"],
            record["features"],
            record["package"],
            tuple(PriorFile(p["path"], p["sha256"]) for p in record["priors"]),
            {path: (f["sha256"], f["bytes"]) for path, f in record["files"].items()},
        )
    except BadInput as error:
        raise BadInput(where, "cannot be read", str(error)) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput(where, f"must be the manifest of a version, schema {SCHEMA}") from None
    told = _content(found.spec, found.features, found.package, found.priors, found.files)
    content = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    if content != found.content or found.name != name or not name.endswith(content[:12]):
        raise BadInput(where, "was edited: its content is not what its name says")
    return found


def changed(registry: Path, name: str) -> list[str]:
    """What of a version is not as it was written: files edited, missing or put in."""
    try:
        version = read_version(registry, name)
    except BadInput as error:
        return [str(error)]
    directory = registry / ROOM / name
    out = []
    for path, (digest, size) in version.files.items():
        file, where = directory / path, f"{ROOM}/{name}/{path}"
        try:
            if not file.is_file():
                out.append(f"{where}: is missing")
            elif file.stat().st_size != size or sha256_of(file) != digest:
                out.append(f"{where}: was edited")
        except OSError as error:
            out.append(f"{where}: cannot be read ({error.strerror or error})")
    known = {MANIFEST, *version.files}
    there = [p for p in directory.rglob("*") if not p.is_dir()]
    more = sorted(str(p.relative_to(directory)) for p in there)
    return [*out, *(f"{ROOM}/{name}/{path}: was put in" for path in more if path not in known)]


def _copied(source: Source, path: Path) -> tuple[str, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        write_new(path, source)
        return hashlib.sha256(source).hexdigest(), len(source)
    return copy_new(source, path)


def _content(
    spec: str,
    features: str,
    package: str,
    priors: tuple[PriorFile, ...],
    files: Mapping[str, tuple[str, int]],
) -> dict[str, Any]:
    return {
        "spec": spec,
        "features": features,
        "package": package,
        "priors": [{"path": p.path, "sha256": p.sha256} for p in priors],
        "files": {
            path: {"sha256": digest, "bytes": size} for path, (digest, size) in files.items()
        },
    }
