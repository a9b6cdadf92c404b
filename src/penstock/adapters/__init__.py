"""The ports on the real world: AWS, Terraform, builders, files, processes; one file per port."""
