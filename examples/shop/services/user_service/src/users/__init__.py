"""The shop's customers."""
