"""The command line: verbs over `penstock.api`, and renderers of the event stream."""
