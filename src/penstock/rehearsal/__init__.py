"""Rehearsing a rollout: what goes wrong on purpose, what callers ask, and what is told of it afterwards. Pure."""
