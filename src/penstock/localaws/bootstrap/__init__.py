"""Programs that run inside function processes; never imported by the server."""
