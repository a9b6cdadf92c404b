mock_provider "aws" {
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/x" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111111111111:role/shop-dev-mail_service" }
  }
  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:shop-dev-mail_service-worker:live" }
  }
}

variables {
  environment = { workspace = "shop", name = "dev", bucket = "penstock-shop-dev-111111111111-eu-west-1" }
  callers     = { live = "arn:aws:execute-api:eu-west-1:111111111111:a/live", preview = "arn:aws:execute-api:eu-west-1:111111111111:p/preview" }
  service = {
    name = "mail_service"
    functions = {
      api = { function_name = "shop-dev-mail_service-api", handler = "mail.api.handler", runtime = "python3.13", http = true }
      worker = {
        function_name = "shop-dev-mail_service-worker", handler = "mail.worker.handler", runtime = "python3.13", timeout = 60
        event_sources = { outbox = { kind = "queue", source_arn = "arn:aws:sqs:eu-west-1:111111111111:shop-dev-outbox", batch_size = 10 } }
      }
    }
    statements = [{ Sid = "TableMails", Action = ["dynamodb:GetItem"], Resource = ["arn:aws:dynamodb:eu-west-1:111111111111:table/shop-dev-mails"] }]
    retained = [
      { Sid = "TableMails", Action = ["dynamodb:GetItem"], Resource = ["arn:aws:dynamodb:eu-west-1:111111111111:table/shop-dev-mails"] },
      { Sid = "TableMails", Action = ["dynamodb:PutItem"], Resource = ["arn:aws:dynamodb:eu-west-1:111111111111:table/shop-dev-mails"] },
    ]
  }
}

run "a_service_has_functions_aliases_and_one_role" {
  command = plan

  assert {
    condition     = length(aws_lambda_function.this) == 2 && length(aws_lambda_alias.this) == 6
    error_message = "Each function has the aliases blue, green and live."
  }

  assert {
    condition     = aws_iam_role.this.name == "shop-dev-mail_service"
    error_message = "The role bears the service's name in its environment."
  }

  assert {
    condition     = alltrue([for function in aws_lambda_function.this : !function.publish && function.s3_key == "bootstrap/placeholder.zip"])
    error_message = "Terraform never publishes; code is a placeholder."
  }

  assert {
    condition     = toset(keys(aws_lambda_permission.http)) == toset(["api/blue/live", "api/blue/preview", "api/green/live", "api/green/preview"])
    error_message = "APIs may call the slots of functions that serve HTTP, and nothing else."
  }

  assert {
    condition     = aws_lambda_permission.http["api/blue/live"].source_arn == "arn:aws:execute-api:eu-west-1:111111111111:a/live/*"
    error_message = "A permission names the API's stage."
  }
}

run "the_policy_is_logs_and_grants_and_what_a_slot_still_needs" {
  assert {
    condition     = length(jsondecode(aws_iam_role_policy.this.policy).Statement) == 3
    error_message = "A retained statement that is granted anyway is not repeated."
  }

  assert {
    condition     = join(" ", [for one in jsondecode(aws_iam_role_policy.this.policy).Statement : try(one.Sid, "-")]) == "OwnLogs TableMails -"
    error_message = "IAM refuses a policy with the same Sid twice, so retained statements have none."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this.policy, "null") && !strcontains(aws_iam_role_policy.this.policy, "\"*\"")
    error_message = "No unset members, no wildcard resources."
  }
}

run "names_that_aws_refuses_are_refused_here" {
  command = plan

  variables {
    service = {
      name      = "mail_service"
      functions = { api = { function_name = "a-name-that-is-longer-than-the-sixty-four-characters-that-lambda-allows", handler = "a.b", runtime = "python3.13" } }
    }
  }

  expect_failures = [var.service]
}
