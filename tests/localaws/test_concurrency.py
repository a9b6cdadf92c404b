"""Executions at once: what is reserved, what is shared, and who is told that there is no room."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from localaws.harness import Account, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW = "import time\ndef handler(event, context):\n    time.sleep(event.get('seconds', 0))\n    return 'done'\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An embedded AWS whose accounts may run three executions at once."""
    running = Server(tmp_path_factory.mktemp("small") / "state", options=("--concurrency", "3"))
    running.start()
    yield running
    running.end()


def test_an_account_at_its_limit_is_told_so_and_another_account_is_not(small: Server) -> None:
    account, other = Account(small, "111111111111"), Account(small, "222222222222")
    for one in (account, other):
        one.function("f", SLOW, Timeout=20)
        one.invoke("f")
    client = account.client("lambda")
    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(account.invoke, "f", {"seconds": 4}) for _ in range(3)]
        time.sleep(2)
        with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
            client.invoke(FunctionName="f")
        assert refused.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        assert other.invoke("f")[0] == "done"
        assert [one.result()[0] for one in busy] == ["done"] * 3
    assert account.invoke("f")[0] == "done"
    assert client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 3


def test_a_reservation_leaves_the_others_a_hundred(account: Account) -> None:
    client = account.client("lambda")
    for name in ("f", "g"):
        account.function(name, SLOW)
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=500)
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        client.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=401)
    client.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=400)
    client.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=0)
    limits = client.get_account_settings()["AccountLimit"]
    assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (1000, 500)
