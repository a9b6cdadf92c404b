"""Many functions in one run of esbuild: the bytes, and the errors, of as many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.model.errors import BuildFailed
from penstock.model.events import ArtifactReady

if TYPE_CHECKING:
    from build.sites import Site


def test_functions_built_together_have_the_bytes_of_functions_built_alone(node_site: Site) -> None:
    together = {unit: made.digest for unit, made in node_site.build().items()}
    alone: dict[str, str] = {}
    for unit in together:
        node_site.builder().forget()
        alone |= {name: made.digest for name, made in node_site.build(unit).items()}
    assert alone == together
    assert len(together) == 3


def test_one_that_fails_does_not_take_the_others_along(node_site: Site) -> None:
    node_site.write({"services/legacy/app.js": "exports.handler = async () => ;\n"})
    with pytest.raises(BuildFailed, match=r"esbuild refused it") as failed:
        node_site.build()
    assert "catalog" not in str(failed.value)
    assert [event.unit for event in node_site.heard.events if isinstance(event, ArtifactReady)] == ["catalog"]
