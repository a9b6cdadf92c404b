"""Whatever is edited in whatever order, a build that remembers gives the bytes of one that remembers nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from build.sites import Site, service, workspace
from hypothesis import given, settings
from hypothesis import strategies as st

PLACES = (
    "services/one/app.py",
    "services/one/data/table.txt",
    "services/one/tests/test_app.py",
    "services/two/app.py",
    "packages/shared/src/shared/__init__.py",
    "packages/shared/src/shared/extra.py",
)
CONTENTS = ("def handler(e, c): ...\n", "def handler(e, c): pass\n", "def handler(e, c): 123\n")
EDITS = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from((*CONTENTS, None))), min_size=1, max_size=4)


def edit(site: Site, place: str, content: str | None) -> None:
    """Write a file; without content, delete it unless it must be there."""
    if content is not None:
        site.write({place: content})
    elif not place.endswith("app.py"):
        (site.root / place).unlink(missing_ok=True)


@settings(max_examples=12)
@given(st.lists(EDITS, min_size=2, max_size=4))
def test_an_incremental_build_equals_a_clean_one(rounds: list[list[tuple[str, str | None]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), workspace(service("one", "app.handler"), service("two", "app.handler")))
        site.write(dict.fromkeys(PLACES, CONTENTS[0]))
        site.write({"services/one/requirements.txt": "-e ../../packages/shared\n"})
        for number, edits in enumerate(rounds):
            for place, content in edits:
                edit(site, place, content)
            incremental = {unit: (made.recipe, made.digest) for unit, made in site.build().items()}
            clean = Site(site.root, site.workspace)
            clean.cache = site.root / ".penstock" / f"clean-{number}"
            assert incremental == {unit: (made.recipe, made.digest) for unit, made in clean.build().items()}
