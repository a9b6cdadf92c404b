mock_provider "aws" {}

run "a_secret_is_an_empty_container" {
  command = plan

  variables {
    name          = "shop/dev/stripe_key"
    recovery_days = 0
  }

  assert {
    condition     = aws_secretsmanager_secret.this.name == "shop/dev/stripe_key" && aws_secretsmanager_secret.this.recovery_window_in_days == 0
    error_message = "Its name comes back at once where environments are thrown away."
  }
}

run "a_window_that_aws_refuses_is_refused_here" {
  command = plan

  variables {
    name          = "shop/dev/stripe_key"
    recovery_days = 3
  }

  expect_failures = [var.recovery_days]
}
