mock_provider "aws" {}

variables {
  name  = "/shop/dev/feature_flags"
  value = "first"
}

run "the_first_value_is_written" {
  assert {
    condition     = aws_ssm_parameter.this.insecure_value == "first"
    error_message = "A fresh environment has a value to read."
  }
}

run "later_values_are_left_alone" {
  variables {
    value = "second"
  }

  assert {
    condition     = aws_ssm_parameter.this.insecure_value == "first"
    error_message = "Terraform sets it once: people own it afterwards."
  }
}
