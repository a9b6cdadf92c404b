"""One renderer of the event stream per file: terminal, plain lines, NDJSON."""
