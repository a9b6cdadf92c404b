"""Files that a source of Node.js reads when it runs, by their places beside it: in a bundle they are not there."""

from __future__ import annotations

import re

_TEXT = r"""(?:"[^"\\\n]*"|'[^'\\\n]*'|`[^`\\$\n]*`)"""
_BESIDE = re.compile(
    rf"\b(?:readFile|readFileSync|createReadStream)\s*\(\s*(?:\w+\.)?(?:join|resolve)\s*\(\s*__dirname\s*,"
    rf"\s*(?P<join>{_TEXT}(?:\s*,\s*{_TEXT})*)\s*,?\s*\)"
    rf"|\bnew\s+URL\s*\(\s*(?P<url>{_TEXT})\s*,\s*import\.meta\.url\s*,?\s*\)"
)
_IN_COMMENT = re.compile(r"//|/\*|^\s*\*")


def may_read_beside(bundle: bytes, *, is_esm: bool) -> bool:
    """Whether a source of this bundle may do so: what asks for its own place still does when it is bundled.

    In CommonJS esbuild puts another name in the place of `import.meta`.
    """
    return b"__dirname" in bundle or (b"new URL" in bundle and (not is_esm or b"import.meta" in bundle))


def read_beside(source: bytes) -> list[tuple[int, str]]:
    """Lines of a source, and the paths from its folder that it reads there; only those that are plain to see."""
    text = source.decode(errors="replace")
    found = []
    for match in _BESIDE.finditer(text):
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        path = "/".join(one[1:-1] for one in re.findall(_TEXT, match["join"] or match["url"]))
        if not _IN_COMMENT.search(before) and not path.startswith("/"):
            found.append((text.count("\n", 0, match.start()) + 1, path))
    return found
