mock_provider "aws" {}

run "fenced_services_reach_own_resources_only" {
  command = plan

  variables {
    name    = "shop-dev-boundary"
    account = "111111111111"
    fenced  = ["sqs", "dynamodb"]
    own     = ["arn:aws:sqs:eu-west-1:111111111111:shop-dev-*", "arn:aws:dynamodb:eu-west-1:111111111111:table/shop-dev-*"]
  }

  assert {
    condition     = jsondecode(aws_iam_policy.this.policy).Statement[0].NotAction == ["dynamodb:*", "sqs:*"]
    error_message = "What is not fenced is allowed …"
  }

  assert {
    condition     = jsondecode(aws_iam_policy.this.policy).Statement[0].Condition.StringEqualsIfExists["aws:ResourceAccount"] == "111111111111"
    error_message = "… in the own account."
  }

  assert {
    condition     = jsondecode(aws_iam_policy.this.policy).Statement[1].Action == ["dynamodb:*", "sqs:*"] && !contains(jsondecode(aws_iam_policy.this.policy).Statement[1].Resource, "*")
    error_message = "What is fenced is allowed for the environment's own resources only."
  }
}
