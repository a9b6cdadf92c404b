"""What a shape cannot say, one subject a file. Each check gets a `Scene` and yields findings."""
