mock_provider "aws" {
  mock_resource "aws_api_gateway_rest_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:111111111111:abc" }
  }
}

variables {
  name = "shop-dev"
  live = "green"
  idle = "blue"
  document = {
    openapi = "3.0.1"
    info    = { title = "shop-dev", version = "1" }
    paths = {
      "/users/{id}" = {
        get = {
          parameters = [{ name = "id", in = "path", required = true, schema = { type = "string" } }]
          "x-amazon-apigateway-integration" = {
            type = "aws_proxy", httpMethod = "POST"
            uri  = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111111111111:function:shop-dev-users:$${stageVariables.slot}/invocations"
          }
        }
      }
      "/files/{proxy+}" = { "x-amazon-apigateway-any-method" = {} }
    }
  }
}

run "the_live_stage_follows_the_pointer_and_the_preview_shows_the_other_slot" {
  command = plan

  variables {
    deployment_id = "d42"
  }

  assert {
    condition     = aws_api_gateway_stage.live.variables.slot == "green" && aws_api_gateway_stage.live.deployment_id == "d42"
    error_message = "Slot and deployment of the live stage are those of the pointer."
  }

  assert {
    condition     = aws_api_gateway_stage.preview.variables.slot == "blue"
    error_message = "The preview serves the idle slot."
  }

  assert {
    condition     = strcontains(jsondecode(aws_api_gateway_rest_api.live.body).paths["/users/{id}"].get["x-amazon-apigateway-integration"].uri, ":$${stageVariables.slot}/invocations")
    error_message = "API Gateway, not Terraform, puts the slot into the URI."
  }

  assert {
    condition     = length(aws_cloudwatch_log_group.access) == 0 && length(aws_cloudwatch_log_metric_filter.access) == 0 && length(aws_api_gateway_method_settings.live) == 0
    error_message = "What costs money is asked for."
  }
}

run "an_access_log_tells_route_side_and_status_and_is_counted" {
  command = plan

  variables {
    access_logs = { retention_days = 7, account_role = true }
  }

  assert {
    condition     = [for group in concat(aws_cloudwatch_log_group.access, aws_cloudwatch_log_group.access_canary) : "${group.name} ${group.retention_in_days}"] == ["/aws/apigateway/shop-dev 7", "/aws/apigateway/shop-dev/Canary 7"]
    error_message = "Both groups forget after the same time."
  }

  assert {
    condition     = strcontains(local.format, "\"status\":$context.status,") && strcontains(local.format, "\"canary\":\"$context.isCanaryRequest\"") && strcontains(local.format, "\"route\":\"$context.httpMethod $context.resourcePath\"")
    error_message = "The status is a number, the side a word."
  }

  assert {
    condition = alltrue([
      for name, filter in aws_cloudwatch_log_metric_filter.access :
      filter.metric_transformation[0].namespace == "Penstock/shop-dev" && filter.metric_transformation[0].name == name && filter.metric_transformation[0].dimensions == tomap({ Canary = "$.canary", Route = "$.route" })
    ])
    error_message = "Requests and server errors are counted by route and side."
  }

  assert {
    condition     = alltrue([for filter in aws_cloudwatch_log_metric_filter.access : strcontains(filter.pattern, "$.canary != \"-\"")])
    error_message = "Series that nobody looks at cost nothing."
  }

  assert {
    condition     = length(aws_api_gateway_account.this) == 1 && aws_iam_role.logs[0].name == "shop-dev-apigateway"
    error_message = "API Gateway gets a role to write with."
  }
}

run "a_log_of_too_many_routes_for_filters_is_not_counted" {
  command = plan

  variables {
    access_logs = { counted = false }
  }

  assert {
    condition     = length(aws_cloudwatch_log_group.access) == 1 && length(aws_cloudwatch_log_metric_filter.access) == 0
    error_message = "CloudWatch would disable the filters."
  }
}

run "the_role_of_the_account_is_left_alone_unless_asked_for" {
  command = plan

  variables {
    access_logs = {}
  }

  assert {
    condition     = length(aws_cloudwatch_log_group.access) == 1 && length(aws_api_gateway_account.this) == 0 && length(aws_iam_role.logs) == 0
    error_message = "The account's settings may be somebody else's."
  }
}

run "every_method_of_the_preview_demands_credentials" {
  assert {
    condition = alltrue(flatten([
      for item in values(jsondecode(aws_api_gateway_rest_api.preview.body).paths) : [
        for operation in values(item) : operation.security == [{ sigv4 = [] }] && operation["x-amazon-apigateway-auth"].type == "AWS_IAM"
      ]
    ]))
    error_message = "The idle slot is for callers with credentials only."
  }

  assert {
    condition     = !strcontains(aws_api_gateway_rest_api.live.body, "AWS_IAM")
    error_message = "The live API is open, as its routes say."
  }

  assert {
    condition     = output.callers.live == "arn:aws:execute-api:eu-west-1:111111111111:abc/live" && output.callers.preview == "arn:aws:execute-api:eu-west-1:111111111111:abc/preview"
    error_message = "Functions learn which stages call them."
  }
}

run "an_api_without_routes_is_refused" {
  command = plan

  variables {
    document = { openapi = "3.0.1", info = { title = "x", version = "1" }, paths = {} }
  }

  expect_failures = [var.document]
}
