mock_provider "aws" {}

variables {
  name       = "shop-dev-users"
  hash_key   = "id"
  attributes = { id = "S", email = "S" }
  indexes    = { by_email = { hash_key = "email" } }
}

run "on_demand_and_unprotected_unless_asked" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST" && !aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "A table costs what it serves."
  }

  assert {
    condition     = length(aws_appautoscaling_target.this) == 0 && output.stream_arn == null
    error_message = "Nothing scales, nothing streams."
  }
}

run "provisioned_capacity_follows_its_use_in_table_and_indexes" {
  command = plan

  variables {
    capacity  = { read = { minimum = 5, maximum = 100 }, write = { minimum = 2, maximum = 50 } }
    protected = true
    backups   = true
    stream    = "NEW_AND_OLD_IMAGES"
  }

  override_data {
    target = data.aws_dynamodb_tables.all[0]
    values = { names = ["shop-dev-users"] }
  }
  override_data {
    target = data.aws_dynamodb_table.actual[0]
    values = {
      read_capacity          = 40
      write_capacity         = 1
      global_secondary_index = [{ name = "by_email", read_capacity = 17, write_capacity = 3 }]
    }
  }

  assert {
    condition     = aws_dynamodb_table.this.read_capacity == 40 && aws_dynamodb_table.this.write_capacity == 2
    error_message = "Terraform asks for what autoscaling set, and for the minimum at least."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.global_secondary_index).read_capacity == 17
    error_message = "The same holds for indexes."
  }

  assert {
    condition     = toset(keys(aws_appautoscaling_target.this)) == toset(["read", "write", "by_email/read", "by_email/write"])
    error_message = "Table and indexes scale, reads and writes."
  }

  assert {
    condition     = aws_appautoscaling_target.this["by_email/write"].max_capacity == 50 && aws_appautoscaling_target.this["by_email/write"].scalable_dimension == "dynamodb:index:WriteCapacityUnits"
    error_message = "An index scales in the table's range."
  }
}
