"""Which files a source of Node.js plainly reads beside itself."""

from __future__ import annotations

import pytest

from penstock.build.node_data import may_read_beside, read_beside


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('const a = fs.readFileSync(path.join(__dirname, "tpl.html"), "utf8");', [(1, "tpl.html")]),
        ("\nreadFile(\n  join(__dirname, '..', 'data', `a.csv`),\n)", [(2, "../data/a.csv")]),
        ('fs.createReadStream(resolve(__dirname, "x.bin",))', [(1, "x.bin")]),
        ('readFileSync(new URL("./x.sql", import.meta.url))', [(1, "./x.sql")]),
        ('new Worker(new URL("worker.js", import.meta.url))', [(1, "worker.js")]),
        ('readFileSync(join(__dirname, name, "x"))', []),
        ('readFileSync(join(folder, "x"))', []),
        ("readFileSync(join(__dirname, `${name}.html`))", []),
        ('writeFileSync(join(__dirname, "x"), "")', []),
        ('readFileSync(resolve(__dirname, "/etc/hosts"))', []),
        ('new URL("./x", base)', []),
        ('// readFileSync(join(__dirname, "x"))', []),
        ('/**\n * readFileSync(join(__dirname, "x"))\n */', []),
    ],
)
def test_only_what_is_plain_to_see_is_found(source: str, found: list[tuple[int, str]]) -> None:
    assert read_beside(source.encode()) == found


@pytest.mark.parametrize(
    ("bundle", "is_esm", "may"),
    [
        (b"readFileSync(join(__dirname,'a'))", True, True),
        (b"readFileSync(join(__dirname,'a'))", False, True),
        (b"new URL('a',import.meta.url)", True, True),
        (b"new URL('a',r.url)", False, True),  # minified: import.meta has another name in CommonJS
        (b"new URL(told)", True, False),
        (b"import.meta.env", True, False),
        (b"", False, False),
    ],
)
def test_sources_are_read_again_only_where_their_bundle_asks_for_its_place(
    bundle: bytes, *, is_esm: bool, may: bool
) -> None:
    assert may_read_beside(bundle, is_esm=is_esm) is may
