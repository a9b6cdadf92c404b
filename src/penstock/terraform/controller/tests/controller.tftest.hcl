mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111111111111:role/penstock-shop-dev" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:penstock-shop-dev" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/penstock-shop-dev" }
  }
}

variables {
  name = "penstock-shop-dev"
  environment = {
    account        = "111111111111"
    region         = "eu-west-1"
    bucket         = "penstock-shop-dev-111111111111-eu-west-1"
    pointer_prefix = "/penstock/shop/dev/"
  }
  functions = { names = ["shop-dev-users"] }
  code      = { runtime = "python3.13", architecture = "arm64", handler = "penstock.controller.handler" }
}

run "it_can_move_traffic_and_change_nothing_else" {
  variables {
    apis = { live = "abc", preview = "def" }
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : alltrue([
        for action in flatten([statement.Action]) : !contains(["lambda:UpdateFunctionCode", "lambda:PublishVersion", "iam:PassRole", "s3:DeleteObject"], action) && !endswith(action, "*")
      ])
    ])
    error_message = "The controller shares traffic between versions that are there: it makes none."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid == "Measure" || !contains(flatten([statement.Resource]), "*")
    ])
    error_message = "Only CloudWatch, which knows no resources, may be asked about everything."
  }
}

run "it_may_query_the_access_log_that_nothing_else_counts" {
  variables {
    access_log = "arn:aws:logs:eu-west-1:111111111111:log-group:/aws/apigateway/shop-dev"
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement :
      statement.Action == ["logs:StartQuery"] && statement.Resource == [var.access_log, "${var.access_log}:*"]
    ])
    error_message = "That log, and no other."
  }
}

run "it_reads_the_secrets_that_webhooks_are_asked_with_and_no_other" {
  variables {
    secrets = ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:shop/dev/qa_token-??????"]
  }

  assert {
    condition = jsonencode([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Resource
      if contains(flatten([statement.Action]), "secretsmanager:GetSecretValue")
    ]) == jsonencode([var.secrets])
    error_message = "Exactly these secrets may be read."
  }
}

run "without_an_api_it_may_touch_none" {
  assert {
    condition     = !strcontains(aws_iam_role_policy.this.policy, "apigateway") && !strcontains(aws_iam_role_policy.this.policy, "Provisioned") && !strcontains(aws_iam_role_policy.this.policy, "secretsmanager")
    error_message = "What an environment has not is not granted."
  }
}
