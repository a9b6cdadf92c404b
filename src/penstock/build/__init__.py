"""From a service to its recipe: what its bytes depend on, what to run, and the ZIP itself. Nothing runs here."""
