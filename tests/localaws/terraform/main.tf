# Everything that the product renders, and what its users put beside it: applied once, planned clean, destroyed.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "account" { type = string }

provider "aws" {
  region                  = "eu-west-1"
  access_key              = var.account
  secret_key              = "penstock-local"
  s3_use_path_style       = true
  skip_metadata_api_check = true
  endpoints {
    apigateway             = var.endpoint
    applicationautoscaling = var.endpoint
    cloudwatch             = var.endpoint
    dynamodb               = var.endpoint
    events                 = var.endpoint
    iam                    = var.endpoint
    lambda                 = var.endpoint
    logs                   = var.endpoint
    s3                     = var.endpoint
    scheduler              = var.endpoint
    secretsmanager         = var.endpoint
    sns                    = var.endpoint
    sqs                    = var.endpoint
    ssm                    = var.endpoint
    sts                    = var.endpoint
  }
  default_tags { tags = { team = "contract" } }
}

variable "title" { default = "one" }

locals {
  name = "contract"
  uri  = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${aws_lambda_function.api.arn}:$${stageVariables.slot}/invocations"
  op = {
    responses                         = {}
    "x-amazon-apigateway-integration" = { type = "aws_proxy", httpMethod = "POST", uri = local.uri, passthroughBehavior = "when_no_match", timeoutInMillis = 29000 }
  }
}

resource "aws_s3_bucket" "artifacts" {
  bucket        = "${local.name}-artifacts-${var.account}"
  force_destroy = true
}
resource "aws_s3_bucket_versioning" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  versioning_configuration { status = "Enabled" }
}
resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}
resource "aws_s3_object" "code" {
  bucket = aws_s3_bucket.artifacts.id
  key    = "bootstrap/placeholder.zip"
  source = "${path.module}/placeholder.zip"
}

resource "aws_iam_role" "api" {
  name                 = "${local.name}-api"
  description          = "role of the contract"
  max_session_duration = 3600
  permissions_boundary = aws_iam_policy.boundary.arn
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
  Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }] })
}
resource "aws_iam_policy" "boundary" {
  name   = "${local.name}-boundary"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })
}
resource "aws_iam_role_policy" "api" {
  name = "own"
  role = aws_iam_role.api.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Sid = "Logs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.api.arn}:*" },
    { Sid = "Stream", Effect = "Allow", Action = ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"], Resource = aws_dynamodb_table.users.stream_arn },
    { Sid = "Queue", Effect = "Allow", Action = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], Resource = aws_sqs_queue.outbox.arn },
    { Sid = "Dead", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = aws_sqs_queue.dead.arn },
  ] })
}
resource "aws_iam_role_policy_attachment" "api" {
  role       = aws_iam_role.api.name
  policy_arn = aws_iam_policy.boundary.arn
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/aws/lambda/${local.name}-api"
  retention_in_days = 14
}
resource "aws_cloudwatch_log_group" "access" {
  name              = "/penstock/${local.name}/access"
  retention_in_days = 7
}
resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "errors"
  pattern        = "{ $.status >= 500 }"
  log_group_name = aws_cloudwatch_log_group.access.name
  metric_transformation {
    name       = "Handled5xx"
    namespace  = "Penstock/${local.name}"
    value      = "1"
    unit       = "Count"
    dimensions = { slot = "$.slot" }
  }
}
resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${local.name}-errors"
  alarm_description   = "errors of the live slot"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.releases.arn]
  ok_actions          = [aws_sns_topic.releases.arn]
  dimensions          = { FunctionName = aws_lambda_function.api.function_name, Resource = "${aws_lambda_function.api.function_name}:live" }
}
resource "aws_cloudwatch_metric_alarm" "latency" {
  alarm_name                            = "${local.name}-latency"
  namespace                             = "AWS/ApiGateway"
  metric_name                           = "Latency"
  extended_statistic                    = "p99"
  comparison_operator                   = "GreaterThanThreshold"
  threshold                             = 1500.5
  period                                = 60
  evaluation_periods                    = 5
  evaluate_low_sample_count_percentiles = "ignore"
  dimensions                            = { ApiName = aws_api_gateway_rest_api.api.name, Stage = "live" }
}
resource "aws_cloudwatch_metric_alarm" "rate" {
  alarm_name          = "${local.name}-rate"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  evaluation_periods  = 2
  threshold           = 5
  metric_query {
    id          = "rate"
    expression  = "100 * errors / calls"
    label       = "Error rate"
    return_data = true
  }
  metric_query {
    id = "errors"
    metric {
      metric_name = "Errors"
      namespace   = "AWS/Lambda"
      period      = 60
      stat        = "Sum"
      dimensions  = { FunctionName = aws_lambda_function.api.function_name }
    }
  }
  metric_query {
    id = "calls"
    metric {
      metric_name = "Invocations"
      namespace   = "AWS/Lambda"
      period      = 60
      stat        = "Sum"
      dimensions  = { FunctionName = aws_lambda_function.api.function_name }
    }
  }
}
resource "aws_cloudwatch_composite_alarm" "any" {
  alarm_name = "${local.name}-any"
  alarm_rule = "ALARM(\"${aws_cloudwatch_metric_alarm.errors.alarm_name}\") OR ALARM(\"${aws_cloudwatch_metric_alarm.latency.alarm_name}\")"
}
resource "aws_cloudwatch_dashboard" "all" {
  dashboard_name = local.name
  dashboard_body = jsonencode({ widgets = [{ type = "metric", x = 0, y = 0, width = 12, height = 6,
  properties = { region = "eu-west-1", title = "calls", metrics = [["AWS/Lambda", "Invocations", "FunctionName", "${local.name}-api"]] } }] })
}
resource "aws_cloudwatch_query_definition" "slow" {
  name            = "${local.name}/slow"
  log_group_names = [aws_cloudwatch_log_group.access.name]
  query_string    = "fields @timestamp, @message | sort @timestamp desc | limit 20"
}

resource "aws_lambda_function" "api" {
  function_name                  = "${local.name}-api"
  description                    = "the contract"
  role                           = aws_iam_role.api.arn
  handler                        = "app.handler"
  runtime                        = "python3.11"
  architectures                  = ["arm64"]
  memory_size                    = 256
  timeout                        = 10
  publish                        = false
  s3_bucket                      = aws_s3_object.code.bucket
  s3_key                         = aws_s3_object.code.key
  reserved_concurrent_executions = 20
  environment { variables = { LOG_LEVEL = "INFO", TABLE_USERS = aws_dynamodb_table.users.name } }
  tracing_config { mode = "Active" }
  logging_config {
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.api.name
  }
  dead_letter_config { target_arn = aws_sqs_queue.dead.arn }
  ephemeral_storage { size = 1024 }
  lifecycle { ignore_changes = [s3_bucket, s3_key, s3_object_version, source_code_hash, filename, architectures] }
}
resource "aws_lambda_alias" "slot" {
  for_each         = toset(["blue", "green", "live"])
  name             = each.key
  function_name    = aws_lambda_function.api.function_name
  function_version = "$LATEST"
  lifecycle { ignore_changes = [function_version, routing_config] }
}
resource "aws_lambda_permission" "api" {
  for_each      = toset(["blue", "green"])
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.api.function_name
  qualifier     = aws_lambda_alias.slot[each.key].name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/*"
}
resource "aws_lambda_provisioned_concurrency_config" "green" {
  function_name                     = aws_lambda_function.versioned.function_name
  qualifier                         = aws_lambda_function.versioned.version
  provisioned_concurrent_executions = 1
}
resource "aws_lambda_function" "versioned" {
  function_name    = "${local.name}-versioned"
  role             = aws_iam_role.api.arn
  handler          = "app.handler"
  runtime          = "python3.11"
  publish          = true
  filename         = "${path.module}/placeholder.zip"
  source_code_hash = filebase64sha256("${path.module}/placeholder.zip")
}
resource "aws_lambda_function_event_invoke_config" "live" {
  function_name                = aws_lambda_function.api.function_name
  qualifier                    = aws_lambda_alias.slot["live"].name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 1
  destination_config {
    on_failure { destination = aws_sqs_queue.dead.arn }
  }
}
resource "aws_lambda_event_source_mapping" "stream" {
  event_source_arn                   = aws_dynamodb_table.users.stream_arn
  function_name                      = aws_lambda_alias.slot["live"].arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 25
  maximum_batching_window_in_seconds = 1
  bisect_batch_on_function_error     = true
  maximum_retry_attempts             = 3
  maximum_record_age_in_seconds      = 3600
  parallelization_factor             = 2
  function_response_types            = ["ReportBatchItemFailures"]
  filter_criteria {
    filter { pattern = jsonencode({ eventName = ["INSERT", "MODIFY"] }) }
  }
  destination_config {
    on_failure { destination_arn = aws_sqs_queue.dead.arn }
  }
  depends_on = [aws_iam_role_policy.api]
}
resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn        = aws_sqs_queue.outbox.arn
  function_name           = aws_lambda_alias.slot["live"].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  scaling_config { maximum_concurrency = 2 }
  filter_criteria {
    filter { pattern = jsonencode({ body = { kind = ["mail"] } }) }
  }
  depends_on = [aws_iam_role_policy.api]
}

resource "aws_dynamodb_table" "users" {
  name                        = "${local.name}-users"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = false
  table_class                 = "STANDARD"
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "email"
    type = "S"
  }
  global_secondary_index {
    name            = "by_email"
    hash_key        = "email"
    projection_type = "ALL"
  }
  point_in_time_recovery { enabled = true }
  server_side_encryption { enabled = true }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
}
resource "aws_dynamodb_table" "stock" {
  name           = "${local.name}-stock"
  billing_mode   = "PROVISIONED"
  read_capacity  = 5
  write_capacity = 5
  hash_key       = "sku"
  range_key      = "at"
  attribute {
    name = "sku"
    type = "S"
  }
  attribute {
    name = "at"
    type = "N"
  }
  lifecycle { ignore_changes = [read_capacity, write_capacity] }
}
resource "aws_appautoscaling_target" "read" {
  service_namespace  = "dynamodb"
  resource_id        = "table/${aws_dynamodb_table.stock.name}"
  scalable_dimension = "dynamodb:table:ReadCapacityUnits"
  min_capacity       = 5
  max_capacity       = 100
}
resource "aws_appautoscaling_policy" "read" {
  name               = "read"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.read.service_namespace
  resource_id        = aws_appautoscaling_target.read.resource_id
  scalable_dimension = aws_appautoscaling_target.read.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value       = 70
    scale_in_cooldown  = 60
    scale_out_cooldown = 60
    predefined_metric_specification { predefined_metric_type = "DynamoDBReadCapacityUtilization" }
  }
}

resource "aws_sqs_queue" "dead" {
  name                      = "${local.name}-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}
resource "aws_sqs_queue" "outbox" {
  name                       = "${local.name}-outbox"
  visibility_timeout_seconds = 60
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 5 })
}
resource "aws_sns_topic" "releases" {
  name         = "${local.name}-releases"
  display_name = "Releases"
}
resource "aws_sns_topic_subscription" "dead" {
  topic_arn            = aws_sns_topic.releases.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.dead.arn
  raw_message_delivery = true
}

data "aws_ssm_parameters_by_path" "pointer" {
  path = "/penstock/${local.name}/"
}
resource "aws_ssm_parameter" "pointer" {
  name      = "/penstock/${local.name}/pointer"
  type      = "String"
  overwrite = true
  value     = jsonencode({ live = "blue" })
}
resource "aws_ssm_parameter" "flags" {
  name  = "/${local.name}/flags"
  type  = "SecureString"
  value = "hidden"
}
resource "aws_secretsmanager_secret" "stripe" {
  name                    = "${local.name}/stripe_key"
  description             = "key"
  recovery_window_in_days = 0
}

resource "aws_cloudwatch_event_bus" "orders" {
  name = "${local.name}-orders"
}
resource "aws_cloudwatch_event_rule" "orders" {
  name           = "${local.name}-orders"
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  event_pattern  = jsonencode({ source = ["shop"], "detail-type" = ["order"] })
}
resource "aws_cloudwatch_event_target" "orders" {
  rule           = aws_cloudwatch_event_rule.orders.name
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  target_id      = "live"
  arn            = aws_lambda_alias.slot["live"].arn
  retry_policy {
    maximum_retry_attempts       = 2
    maximum_event_age_in_seconds = 120
  }
  dead_letter_config { arn = aws_sqs_queue.dead.arn }
}
resource "aws_iam_role" "scheduler" {
  name = "${local.name}-scheduler"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
  Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "scheduler.amazonaws.com" } }] })
}
resource "aws_scheduler_schedule" "nightly" {
  name                = "${local.name}-nightly"
  schedule_expression = "rate(1 days)"
  flexible_time_window { mode = "OFF" }
  target {
    arn      = aws_lambda_alias.slot["live"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ kind = "nightly" })
    retry_policy {
      maximum_retry_attempts       = 1
      maximum_event_age_in_seconds = 300
    }
  }
}

resource "aws_api_gateway_rest_api" "api" {
  name        = local.name
  description = "all routes"
  body = jsonencode({
    openapi = "3.0.1"
    info    = { title = local.name, version = var.title }
    paths   = { "/users" = { get = local.op, post = local.op }, "/users/{id}" = { get = local.op }, "/users/health" = { get = local.op } }
  })
  endpoint_configuration { types = ["REGIONAL"] }
}
resource "aws_api_gateway_rest_api" "preview" {
  name = "${local.name}-preview"
  body = jsonencode({
    openapi    = "3.0.1"
    info       = { title = "${local.name}-preview", version = "1" }
    components = { securitySchemes = { sigv4 = { type = "apiKey", name = "Authorization", in = "header", "x-amazon-apigateway-authtype" = "awsSigv4" } } }
    paths      = { "/users" = { get = merge(local.op, { security = [{ sigv4 = [] }] }) } }
  })
}
resource "aws_api_gateway_deployment" "first" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  description = "first"
}
resource "aws_iam_role" "gateway_logs" {
  name = "${local.name}-gateway"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "apigateway.amazonaws.com" } }]
  })
}
resource "aws_iam_role_policy_attachment" "gateway_logs" {
  role       = aws_iam_role.gateway_logs.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = aws_iam_role.gateway_logs.arn
  depends_on          = [aws_iam_role_policy_attachment.gateway_logs]
}
resource "aws_api_gateway_stage" "live" {
  rest_api_id          = aws_api_gateway_rest_api.api.id
  deployment_id        = aws_api_gateway_deployment.first.id
  stage_name           = "live"
  description          = "serves people"
  variables            = { slot = "blue" }
  xray_tracing_enabled = true
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = jsonencode({ requestId = "$context.requestId", status = "$context.status", latency = "$context.responseLatency", canary = "$context.isCanaryRequest" })
  }
  lifecycle { ignore_changes = [deployment_id, canary_settings] }
  depends_on = [aws_api_gateway_account.this]
}
resource "aws_api_gateway_method_settings" "live" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  stage_name  = aws_api_gateway_stage.live.stage_name
  method_path = "*/*"
  settings {
    metrics_enabled        = true
    throttling_rate_limit  = 100
    throttling_burst_limit = 50
  }
}

output "api" { value = aws_api_gateway_rest_api.api.id }
