locals {
  # The same routes for callers with credentials only. API Gateway demands credentials per method, not per stage,
  # so the preview is an API of its own.
  iam_only = {
    "x-amazon-apigateway-auth" = { type = "AWS_IAM" }
    security                   = [{ sigv4 = [] }]
  }
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
  count = var.access_logs == null ? 0 : 1

  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.access_logs.retention_days
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
      format = jsonencode({
        requestId   = "$context.requestId"
        time        = "$context.requestTimeEpoch"
        method      = "$context.httpMethod"
        route       = "$context.resourcePath"
        status      = "$context.status"
        latency     = "$context.responseLatency"
        integration = "$context.integrationLatency"
        canary      = "$context.isCanaryRequest"
      })
    }
  }

  lifecycle {
    ignore_changes = [canary_settings]
  }
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
