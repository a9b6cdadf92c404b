"""tsconfig.json: JSON with comments, and the folders that its `paths` lead to."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CONFIG_DIR = "${configdir}"
"""In any case, at the beginning of a place: the folder of the tsconfig that extends all others.

Source: https://www.typescriptlang.org/docs/handbook/release-notes/typescript-5-5.html, "The ${configDir} Template".
"""
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def read(text: str) -> dict[str, Any]:
    """The object in a tsconfig; empty when it cannot be read, which esbuild and tsc say better."""
    plain = _TOKEN.sub(lambda match: match[0] if match[0].startswith('"') else "", text.removeprefix("\ufeff"))
    try:
        content = json.loads(re.sub(r",(\s*[}\]])", r"\1", plain))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def placed(base: str, place: str, home: str) -> str:
    """A place that a tsconfig in a folder speaks of; `home` is the folder of the one that extends it at last."""
    if place.lower().startswith(_CONFIG_DIR):
        return posixpath.normpath(posixpath.join(home, place[len(_CONFIG_DIR) :].lstrip("/")))
    return posixpath.normpath(posixpath.join(base, place))


def aliases(path: str, text: str, home: str) -> dict[str, tuple[str, ...]]:
    """What `paths` of a tsconfig maps: patterns of modules' names to patterns of places relative to the workspace.

    `baseUrl` maps all names to what lies there. `home` is the folder of the tsconfig that extends this one at last.
    """
    options = read(text).get("compilerOptions") or {}
    base = placed(posixpath.dirname(path), str(options.get("baseUrl", ".")), home)
    mapped = {"*": ["*"]} if "baseUrl" in options else {}
    found = {}
    for name, targets in {**mapped, **(options.get("paths") or {})}.items():
        if isinstance(targets, list):
            places = (placed(base, str(target), home) for target in targets)
            found[name] = tuple(place for place in places if not place.startswith(".."))
    return found


def referred_to(path: str, content: Mapping[str, Any]) -> list[str]:
    """The tsconfigs, relative to the workspace, that one at that path has as its `references`."""
    listed = content.get("references") or ()
    named = [one["path"] for one in listed if isinstance(one, dict) and isinstance(one.get("path"), str)]
    places = [posixpath.normpath(posixpath.join(posixpath.dirname(path), one)) for one in named]
    found = [one if one.endswith(".json") else posixpath.join(one, "tsconfig.json") for one in places]
    return [one for one in found if not one.startswith("..")]


def leads_to(module: str, alias: str, place: str) -> tuple[str, ...]:
    """The folders that a module's name may mean by an alias and one of its places, the widest first; or none.

    A pattern that ends in `*` means its whole folder, because what lies there may import its neighbours; one that
    fits all names, or leads to the workspace itself, the folder below that the name speaks of.
    """
    found = means(module, alias, place)
    if found is None:
        return ()
    before, star, after = place.partition("*")
    if not star or after.strip("/"):
        return (_folder(found),)
    if before and not alias.startswith("*"):
        return (before.rstrip("/"),)
    first, slash, _ = found[len(before) :].partition("/")
    return (before + first, posixpath.dirname(found)) if slash else (found,)


def means(module: str, alias: str, place: str) -> str | None:
    """The path that a module's name means by an alias and one of its places; None when it does not fit."""
    head, star, tail = alias.partition("*")
    if not star:
        return place if module == alias else None
    if not (module.startswith(head) and module.endswith(tail)):
        return None
    before, _, after = place.partition("*")
    return posixpath.normpath(before + module[len(head) : len(module) - len(tail)] + after)


def _folder(place: str) -> str:
    return posixpath.dirname(place) if re.search(r"\.[cm]?[jt]sx?$|\.json$", place) else place


def with_sources(
    root: str,
    folder: str,
    paths: Mapping[str, Sequence[str]],
    types: Sequence[str],
    chain: Sequence[tuple[str, Mapping[str, Any]]],
) -> str:
    """A tsconfig for the project in a folder of the workspace, that takes modules from where `paths` lead.

    It may lie anywhere: what TypeScript takes from its place is said in it. `types` are the folders in which
    packages of types are found from the project's; `chain` are the project's tsconfig.json and what it extends, by the
    folder that each lies in, the strongest first.
    """
    home = f"{root}/{folder}"
    options = _at_home([(above, content.get("compilerOptions") or {}) for above, content in chain], home)
    options |= {
        "paths": {name: [f"{root}/{place}" for place in places] for name, places in sorted(paths.items())},
        # Sources of several projects are looked at as one, and nothing is written.
        "rootDir": root,
        "composite": False,
        "incremental": False,
        "tsBuildInfoFile": None,
    }
    if not any("typeRoots" in (content.get("compilerOptions") or {}) for _, content in chain):
        options["typeRoots"] = list(types)
    taken = {key: value for key, value in _at_home(chain, home).items() if key in {"files", "include", "exclude"}}
    content: dict[str, Any] = {"extends": f"{home}/tsconfig.json", "compilerOptions": options, **taken}
    named = {key for _, each in chain for key in ("files", "include", "exclude") if key in each}
    if not named & {"files", "include"}:
        content["include"] = [f"{home}/**/*"]
    if "exclude" not in named:
        made = (_said(chain, "outDir", home), _said(chain, "declarationDir", home))
        content["exclude"] = [f"{home}/node_modules", *(place for place in made if place)]
    return json.dumps(content)


def _said(chain: Sequence[tuple[str, Mapping[str, Any]]], option: str, home: str) -> str | None:
    """The place that the strongest of the tsconfigs gives for an option."""
    for folder, content in chain:
        options = content.get("compilerOptions") or {}
        if option in options:
            return placed(folder, str(options[option]), home)
    return None


def _at_home(chain: Sequence[tuple[str, Mapping[str, Any]]], home: str) -> dict[str, Any]:
    """What the strongest says of each key, where it speaks of its `home`: for a tsconfig that lies elsewhere."""
    found: dict[str, Any] = {}
    for folder, content in reversed(chain):
        for key, value in content.items():
            found.pop(key, None)
            listed = value if isinstance(value, list) else [value]
            if any(isinstance(one, str) and one.lower().startswith(_CONFIG_DIR) for one in listed):
                places = [placed(folder, one, home) for one in listed if isinstance(one, str)]
                found[key] = places if isinstance(value, list) else places[0]
    return found


def type_errors(output: str, root: str, folder: str) -> list[str]:
    """What `tsc --pretty false` complains about, as `file:line: TS1234: …` from the workspace's root; each once."""
    found = []
    for line in output.splitlines():
        if match := re.match(r"(?P<file>[^\s(][^(]*)\((?P<line>\d+),\d+\): error (?P<what>TS\d+: .*)", line):
            place = posixpath.normpath(posixpath.join(root, folder, match["file"]))
            found.append(f"{posixpath.relpath(place, root)}:{match['line']}: {match['what']}")
        elif match := re.match(r"error (?P<what>TS\d+: .*)", line):
            found.append(match["what"])
        elif found and line.startswith("  "):
            found[-1] += f"\n{line.rstrip()}"
    return list(dict.fromkeys(found))
