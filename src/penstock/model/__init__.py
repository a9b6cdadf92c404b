"""The vocabulary as frozen values. Pure: no I/O, nothing but the standard library."""
