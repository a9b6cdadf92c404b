"""S3 objects that are on disk before they are acknowledged.

Data and sidecar are both written and synced beside their places, then moved, data first. A crash between the two moves
leaves the sidecar's copy behind; `finish_interrupted_writes` completes it at the next start. What ministack would only
log, a request hears of.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings


class StorageError(RuntimeError):
    """The disk refused a write; the request that needed it fails and nothing is acknowledged."""


def install(ministack: Ministack, _settings: Settings) -> None:
    """Make S3 writes durable."""
    writes = ObjectWrites()
    ministack.wrap(ministack.s3, "_atomic_write", "(fpath, data, *, text=)", writes.around_atomic_write)
    ministack.wrap(ministack.s3, "_persist_object", "(bucket, key, obj)", writes.around_persist)
    ministack.wrap(ministack.s3, "_persist_delete_marker", "(bucket_name, key, marker)", writes.around_persist)
    ministack.wrap(
        ministack.s3, "_persist_displaced_version", "(bucket_name, key, prior_obj, versioning)", writes.around_persist
    )
    ministack.wrap(ministack.s3, "_put_object", "(bucket_name, key, body, headers)", _around_put_object(ministack))


class ObjectWrites:
    """Writes of one object gathered into one commit; a failure reaches the request instead of the log."""

    def __init__(self) -> None:
        self._batch: contextvars.ContextVar[list[Path] | None] = contextvars.ContextVar("batch", default=None)

    def around_atomic_write(self, _original: Callable[..., Any]) -> Callable[..., None]:
        """Write and sync beside the place; the move waits for the whole object when a batch is open."""

        def atomic_write(fpath: str, data: bytes | str, *, text: bool = False) -> None:
            place = Path(fpath)
            content = data.encode() if text and isinstance(data, str) else data
            batch = self._batch.get()
            try:
                _write_beside(place, content if isinstance(content, bytes) else content.encode())
                if batch is None:
                    _move(place)
                else:
                    batch.append(place)
            except OSError as error:
                raise StorageError(f"could not write {place.name}: {error.strerror}") from error

        return atomic_write

    def around_persist(self, original: Callable[..., Any]) -> Callable[..., None]:
        """Commit what the original wrote, and raise what it would only have logged."""

        def persist(*arguments: Any) -> None:
            batch: list[Path] = []
            failures: list[BaseException] = []
            token = self._batch.set(batch)
            try:
                with _raised_instead_of_logged(original.__globals__["logger"], failures):
                    original(*arguments)
            finally:
                self._batch.reset(token)
            if failures:
                for place in batch:
                    _beside(place).unlink(missing_ok=True)
                raise StorageError(str(failures[0])) from failures[0]
            for place in batch:
                _move(place)
            for folder in {place.parent for place in batch}:
                _sync_folder(folder)

        return persist


def finish_interrupted_writes(objects: Path) -> None:
    """Complete or undo object writes that a crash interrupted: before ministack reads the folder."""
    for beside in sorted(objects.rglob("*.tmp")) if objects.is_dir() else ():
        if not beside.is_file():  # finished with its pair already, or a bucket of such a name
            continue
        place = beside.with_suffix("")
        if place.name.endswith(".meta.json") and not _beside(_data_of(place)).exists() and _is_json(beside):
            beside.replace(place)
        else:
            beside.unlink()


def _data_of(sidecar: Path) -> Path:
    return sidecar.with_name(sidecar.name.removesuffix(".meta.json"))


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def _beside(place: Path) -> Path:
    return place.with_name(place.name + ".tmp")


def _write_beside(place: Path, content: bytes) -> None:
    beside = _beside(place)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _move(place: Path) -> None:
    _beside(place).replace(place)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _raised_instead_of_logged(logger: logging.Logger, failures: list[BaseException]) -> Iterator[None]:
    """Collect the exceptions that the code inside swallows with ``logger.warning(..., error)``."""
    thread = threading.get_ident()

    class Collect(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            if record.thread != thread or record.levelno < logging.WARNING:
                return True
            arguments = record.args if isinstance(record.args, tuple) else ()
            found = [argument for argument in arguments if isinstance(argument, BaseException)]
            failures.extend(found)
            return not found

    collect = Collect()
    logger.addFilter(collect)
    try:
        yield
    finally:
        logger.removeFilter(collect)


def _around_put_object(ministack: Ministack) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A put that cannot be stored leaves the object of before; one that is stored leaves no bytes in memory."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def put_object(bucket_name: str, key: str, body: bytes, headers: dict[str, str]) -> Any:
            bucket = ministack.s3._buckets.get(bucket_name)
            before = dict(bucket["objects"][key]) if bucket and key in bucket["objects"] else None
            history = list(ministack.s3._object_versions.get((bucket_name, key)) or [])
            try:
                answer = original(bucket_name, key, body, headers)
            except StorageError:
                if bucket is not None:
                    if before is None:
                        bucket["objects"].pop(key, None)
                    else:
                        bucket["objects"][key] = before
                    if history:
                        ministack.s3._object_versions[(bucket_name, key)] = history
                    else:
                        ministack.s3._object_versions.pop((bucket_name, key), None)
                raise
            # What is on disk is read from there: in memory every version of every object would pile up.
            if bucket is not None and (bucket["objects"].get(key) or {}).get("body", b"") is None:
                for version in ministack.s3._object_versions.get((bucket_name, key)) or ():
                    version["data"] = None
            return answer

        return put_object

    return around
