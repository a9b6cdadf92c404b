"""Which files a source of Node.js plainly reads beside itself."""

from __future__ import annotations

import pytest

from penstock.build.node_data import read_beside


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
