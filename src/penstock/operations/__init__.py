"""The verbs. They decide with the pure layers and act through the ports of a `World`.

A deploy is a row of values: Workspace -> Artifacts -> Release -> Terraform plan -> Plan -> Objections -> Approval ->
apply -> candidate in the idle slot -> verification -> switch -> health. Each verb is one file; `world.py` says what
they are given, `session.py` opens an environment (lease, repair) and closes it again.
"""
