locals {
  # The same routes for callers with credentials only. API Gateway demands credentials per method, not per stage,
  # so the preview is an API of its own.
  iam_only = {
    "x-amazon-apigateway-auth" = { type = "AWS_IAM" }
    security                   = [{ sigv4 = [] }]
  }
  logs      = var.access_logs != null
  role      = try(var.access_logs.account_role, false)
  partition = split(":", aws_api_gateway_rest_api.live.execution_arn)[1]

  # Numbers that are always there stand without quotes, so that filters compare them as numbers.
  format = replace(jsonencode({
    requestId   = "$context.requestId"
    time        = "$context.requestTimeEpoch"
    method      = "$context.httpMethod"
    path        = "$context.path"
    route       = "$context.httpMethod $context.resourcePath"
    status      = "$context.status"
    latency     = "$context.responseLatency"
    integration = "$context.integrationLatency"
    canary      = "$context.isCanaryRequest"
    deployment  = "$context.deploymentId"
    stage       = "$context.stage"
    error       = "$context.error.responseType"
  }), "/\"(\\$context\\.(?:requestTimeEpoch|status|responseLatency))\"/", "$1")

  preview = merge(var.document, {
    info = merge(var.document.info, { title = "${var.name}-preview" })
    paths = {
      for path, item in var.document.paths : path => {
        for method, operation in item : method => merge(operation, local.iam_only)
      }
    }
    components = merge(try(var.document.components, {}), {
      securitySchemes = {
        sigv4 = {
          type                           = "apiKey"
          name                           = "Authorization"
          in                             = "header"
          "x-amazon-apigateway-authtype" = "awsSigv4"
        }
      }
    })
  })
}

resource "aws_api_gateway_rest_api" "live" {
  name              = var.name
  description       = "Serves the live slot. Routes are part of a release: deployments are made by the release engine."
  body              = jsonencode(var.document)
  put_rest_api_mode = "overwrite"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_rest_api" "preview" {
  name              = "${var.name}-preview"
  description       = "Serves the idle slot, to callers with AWS credentials only."
  body              = jsonencode(local.preview)
  put_rest_api_mode = "overwrite"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

# A stage cannot exist without a deployment. These are the first ones; every later one is made by the release engine,
# which never deletes them. They carry no triggers: one that Terraform replaced could not be deleted while a stage uses it.
resource "aws_api_gateway_deployment" "live" {
  rest_api_id = aws_api_gateway_rest_api.live.id
  description = "first"
}

resource "aws_api_gateway_deployment" "preview" {
  rest_api_id = aws_api_gateway_rest_api.preview.id
  description = "first"
}

resource "aws_cloudwatch_log_group" "access" {
  count = local.logs ? 1 : 0

  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.access_logs.retention_days
}

# API Gateway repeats the requests of a canary in a group of this name. Made here, it keeps them no longer than the rest.
resource "aws_cloudwatch_log_group" "access_canary" {
  count = local.logs ? 1 : 0

  name              = "/aws/apigateway/${var.name}/Canary"
  retention_in_days = var.access_logs.retention_days
}

# What the functions answered, by route and side: 5xx that a function handled itself is no error to Lambda.
# Only while the stage has a canary, which then is true or false: CloudWatch charges for every hour of every series.
# CloudWatch may disable a filter that makes 1,000 pairs of names and values in an hour: then the log is queried instead.
resource "aws_cloudwatch_log_metric_filter" "access" {
  for_each = try(var.access_logs.counted, false) ? { Requests = "{ $.canary != \"-\" }", ServerErrors = "{ ($.canary != \"-\") && ($.status >= 500) }" } : {}

  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.access[0].name
  pattern        = each.value

  metric_transformation {
    name       = each.key
    namespace  = "Penstock/${var.name}"
    value      = "1"
    unit       = "Count"
    dimensions = { Canary = "$.canary", Route = "$.route" }
  }
}

# API Gateway writes logs with one role for the whole account and region.
resource "aws_iam_role" "logs" {
  count = local.role ? 1 : 0

  name = "${var.name}-apigateway"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "apigateway.amazonaws.com" } }]
  })
}

# The only policy that API Gateway accepts here: it checks the role for every action of it.
resource "aws_iam_role_policy_attachment" "logs" {
  count = local.role ? 1 : 0

  role       = aws_iam_role.logs[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

# Another environment of the same account may set its own role later: either does.
resource "aws_api_gateway_account" "this" {
  count = local.role ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.logs[0].arn

  lifecycle {
    ignore_changes = [cloudwatch_role_arn]
  }

  depends_on = [aws_iam_role_policy_attachment.logs]
}

# Slot and deployment come from the pointer, so that they are right whoever moved it. The canary is the engine's.
resource "aws_api_gateway_stage" "live" {
  rest_api_id          = aws_api_gateway_rest_api.live.id
  stage_name           = "live"
  deployment_id        = coalesce(var.deployment_id, aws_api_gateway_deployment.live.id)
  xray_tracing_enabled = var.tracing
  variables            = { slot = var.live }

  dynamic "access_log_settings" {
    for_each = aws_cloudwatch_log_group.access

    content {
      destination_arn = access_log_settings.value.arn
      format          = local.format
    }
  }

  lifecycle {
    ignore_changes = [canary_settings]
  }

  # API Gateway refuses an access log as long as it has no role to write it with.
  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_stage" "preview" {
  rest_api_id          = aws_api_gateway_rest_api.preview.id
  stage_name           = "preview"
  deployment_id        = aws_api_gateway_deployment.preview.id
  xray_tracing_enabled = var.tracing
  variables            = { slot = var.idle }

  lifecycle {
    ignore_changes = [deployment_id, canary_settings]
  }
}

resource "aws_api_gateway_method_settings" "live" {
  count = var.metrics || var.throttle != null ? 1 : 0

  rest_api_id = aws_api_gateway_rest_api.live.id
  stage_name  = aws_api_gateway_stage.live.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = var.metrics
    throttling_rate_limit  = try(var.throttle.rate, -1)
    throttling_burst_limit = try(var.throttle.burst, -1)
  }
}
