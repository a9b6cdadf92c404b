"""A small workspace to turn single screws of."""

from __future__ import annotations

from penstock.model.workspace import (
    Environment,
    Function,
    Index,
    Queue,
    Route,
    Secret,
    Service,
    Table,
    Uses,
    Workspace,
)

ACCOUNT = "111111111111"


def function(
    name: str = "users", *, service: str = "users", routes: tuple[Route, ...] = (), memory: int = 256
) -> Function:
    return Function(
        name=name,
        service=service,
        physical=f"shop-dev-{service}" if name == service else f"shop-dev-{service}-{name}",
        handler=f"{name}.handler",
        runtime="python3.13",
        architecture="arm64",
        memory=memory,
        timeout=10,
        routes=routes,
    )


def service(name: str = "users", *functions: Function, uses: Uses | None = None) -> Service:
    return Service(
        name=name,
        path=f"services/{name}",
        language="python",
        functions=functions or (function(name, service=name),),
        uses=uses or Uses(),
    )


def workspace(*services: Service) -> Workspace:
    return Workspace(
        name="shop",
        environment=Environment(name="dev", account=ACCOUNT, region="eu-west-1", endpoint="local"),
        services=services or (service(),),
        tables=(
            Table(
                name="users",
                physical="shop-dev-users",
                owner="users",
                key={"id": "S"},
                indexes=(Index(name="by_email", key={"email": "S"}),),
                stream="new-image",
            ),
            Table(name="orders", physical="shop-dev-orders", owner="orders", key={"id": "S"}),
        ),
        queues=(Queue(name="outbox", physical="shop-dev-outbox", owner="mail"),),
        secrets=(Secret(name="key", physical="shop/dev/key"),),
    )
