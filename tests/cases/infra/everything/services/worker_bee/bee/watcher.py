"""Only its place matters."""
