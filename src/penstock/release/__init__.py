"""The release engine's decisions: reconcile, ledger chain, lease, retention. Pure, standard library only.

The same code runs in a function inside the account, so nothing here may need more than Python itself.
"""
