"""Lambda's limits on code: which count, and which do not because artifacts go through S3."""

from __future__ import annotations

from penstock.build.limits import DIRECT_UPLOAD_MAX, direct_upload_note, layers_note


def test_a_zip_within_a_direct_upload_is_nothing_to_speak_of() -> None:
    assert direct_upload_note("users", DIRECT_UPLOAD_MAX, 200 << 20) == ""


def test_a_bigger_zip_is_told_with_the_limit_that_does_count() -> None:
    assert direct_upload_note("users", 60 << 20, 200 << 20) == (
        "users: its ZIP of 60.0 MiB is over the 50 MiB of a direct upload to Lambda. Penstock uploads through S3, "
        "where only the 250 MiB unzipped count: it has 200.0 MiB"
    )


def test_layers_are_named_with_the_room_that_the_zip_leaves_them() -> None:
    assert layers_note("users", 240 << 20, ("arn:a:1", "arn:b:2"), fresh=True) == (
        "users: its layers count against the 250 MiB unzipped as well, and how big they are is not known here: beside "
        "its own 240.0 MiB there are 10.0 MiB for arn:a:1, arn:b:2"
    )


def test_layers_beside_a_zip_that_is_not_new_are_told_only_when_it_takes_more_than_half() -> None:
    assert layers_note("users", 240 << 20, ("arn:a:1",), fresh=False)
    assert layers_note("users", 100 << 20, ("arn:a:1",), fresh=True)
    assert layers_note("users", 100 << 20, ("arn:a:1",), fresh=False) == ""
    assert layers_note("users", 240 << 20, (), fresh=True) == ""
