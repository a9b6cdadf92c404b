"""Workspace → Terraform root and IAM statements; Terraform's plan JSON → Plan. Pure: text and values in, values out.

naming.py     ARNs from names, which is all that modules know of each other
hcl.py        strings that Terraform reads as they are, and references that it resolves
grants.py     what each service's role may do, derived from what it says it uses
variables.py  the environment variables that a function receives
openapi.py    routes → the one OpenAPI document of an environment's API
services.py   one service → the arguments of its `lambda_service` module
resources.py  tables, queues, topics, buckets, secrets, parameters → modules
render.py     all of it → `main.tf.json`
digest.py     what of a function's configuration a published version holds, as one hash
plan.py       `terraform show -json` → changes, never values
"""
