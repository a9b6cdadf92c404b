"""What looks like a credential: it belongs in Secrets Manager, and in no file that is shipped, committed or logged."""

from __future__ import annotations

import re

# In a file of its own, or, by `\n` or line by line, in a text of JSON or of a program.
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\s*\r?\n[A-Za-z0-9+/=:, -]{16}|(?:\\[nr]|[\s\"'+,\\])+[A-Za-z0-9+/]{40})"
)
_SECRETS = (
    (_PRIVATE_KEY, "a private key"),
    (re.compile(rb"\b(?:AKIA|ASIA)(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}\b"), "an AWS access key"),
    (re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36,}\b"), "a GitHub token"),
    (re.compile(rb"\bgithub_pat_[A-Za-z0-9_]{36,}\b"), "a GitHub token"),
    (
        re.compile(
            rb"(?i:aws_secret_access_key|secretAccessKey)[\"']?\s*[:=]\s*[\"']?"
            rb"(?![A-Za-z0-9/+]*EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
        ),
        "an AWS secret key",
    ),
    (re.compile(rb"\bxox[abprs]-[A-Za-z0-9]{10,}-[A-Za-z0-9-]{10,}"), "a Slack token"),
    (re.compile(rb"\b[rs]k_live_[A-Za-z0-9]{20,}\b"), "a Stripe key"),
)


def secret(content: bytes) -> tuple[str, int] | None:
    """What looks like a secret in a text, and its line; None where nothing does."""
    for pattern, name in _SECRETS:
        match = pattern.search(content)
        if match is not None:
            return name, content.count(b"\n", 0, match.start()) + 1
    return None
