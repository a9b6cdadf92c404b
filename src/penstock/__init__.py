"""Penstock ships a monorepo of AWS Lambda services: only what changed, judged, and back in one step.

Where everything is, from the bottom to the top (import-linter holds these layers):

    model/      the words as frozen values, and the one error tree                    pure
    ports/      everything that can be done to the world, as small Protocols
    workspace/  files' text -> Workspace; dependency graph                            pure
    build/      Service -> Recipe; one file per runtime; what to run                  pure
    infra/      Workspace -> Terraform root; Terraform's JSON -> Plan                 pure
    release/    reconcile(observed, desired) -> effects; slots, pointer, ledger chain pure, stdlib only
    rollout/    strategies are data; advance(): what to do next; the judge            pure, stdlib only
    rehearsal/  faults, callers' requests, what is told of a rehearsal                pure
    policy/     gates: a plan -> Objections, one file each                            pure
    operations/ the verbs: build, plan, deploy, switch, rollback, status ...          through ports only
    adapters/   Lambda, API Gateway, S3, the Terraform CLI, builders, files, clock
    testing/    one shipped fake per port
    api/        the public Python API; wiring.py: which adapter stands behind which port
    controller/ the function in the account that looks after rollouts: the same verbs, called every minute
    cli/        the command line, on top

`terraform/` holds the HCL modules as package data. `localaws/` is the embedded AWS: a program of its own,
met only as a URL.
"""

__version__ = "0.1.0"
