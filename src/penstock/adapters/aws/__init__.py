"""The adapters that speak to AWS, or to the embedded AWS: one file per port, on one `AwsSession`."""
