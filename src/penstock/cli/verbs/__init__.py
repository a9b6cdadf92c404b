"""One file per family of verbs; `penstock.cli.catalogue` says which verb is where."""
