locals {
  source   = var.event_source
  is_queue = local.source.kind == "queue"
  polls    = contains(["queue", "stream"], local.source.kind)
  is_rule  = contains(["schedule", "bucket", "bus"], local.source.kind)
  is_topic = local.source.kind == "topic"

  # Buckets speak through EventBridge: a bucket has only one notification configuration, which services could not
  # share without undoing each other's, but any number of rules.
  bucket_object = merge(
    local.source.prefix == "" && local.source.suffix == "" ? {} : {
      object = {
        key = concat(
          local.source.prefix != "" && local.source.suffix != "" ? [{ wildcard = "${local.source.prefix}*${local.source.suffix}" }] : [],
          local.source.prefix != "" && local.source.suffix == "" ? [{ prefix = local.source.prefix }] : [],
          local.source.prefix == "" && local.source.suffix != "" ? [{ suffix = local.source.suffix }] : [],
        )
      }
    },
    { bucket = { name = [local.source.bucket] } },
  )
  bucket_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = length(local.source.events) > 0 ? local.source.events : ["Object Created"]
    detail        = local.bucket_object
  })
  # Each pattern is a rule of its own; a schedule and a bucket have exactly one.
  rules = local.is_rule ? {
    for index, pattern in(local.source.kind == "bus" ? local.source.patterns : [local.source.kind == "bucket" ? local.bucket_pattern : null]) :
    (index == 0 ? var.name : "${var.name}-${index + 1}") => pattern
  } : {}

  # EventBridge allows 64 characters, which a function's name may use up by itself.
  rule_names = {
    for key in keys(local.rules) : key => (
      length("${var.function_name}-${key}") <= 64
      ? "${var.function_name}-${key}"
      : "${substr("${var.function_name}-${key}", 0, 55)}-${substr(sha1("${var.function_name}-${key}"), 0, 8)}"
    )
  }
}

resource "aws_lambda_event_source_mapping" "this" {
  count = local.polls ? 1 : 0

  event_source_arn                   = local.source.source_arn
  function_name                      = var.alias_arn
  batch_size                         = local.source.batch_size
  maximum_batching_window_in_seconds = local.source.window_seconds
  starting_position                  = local.is_queue ? null : local.source.starting_position
  bisect_batch_on_function_error     = local.is_queue ? null : local.source.bisect
  maximum_retry_attempts             = local.is_queue ? null : local.source.retries
  parallelization_factor             = local.is_queue ? null : local.source.concurrency
  function_response_types            = local.source.report_failures ? ["ReportBatchItemFailures"] : null

  dynamic "scaling_config" {
    for_each = local.is_queue && local.source.concurrency != null ? [local.source.concurrency] : []

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  dynamic "filter_criteria" {
    for_each = length(local.source.patterns) > 0 ? [local.source.patterns] : []

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = filter.value
        }
      }
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name                = local.rule_names[each.key]
  description         = "Calls ${var.function_name}:${var.alias}"
  event_bus_name      = local.source.kind == "bus" ? local.source.bus : "default"
  schedule_expression = local.source.kind == "schedule" ? local.source.schedule : null
  event_pattern       = each.value
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.rules

  rule           = aws_cloudwatch_event_rule.this[each.key].name
  event_bus_name = aws_cloudwatch_event_rule.this[each.key].event_bus_name
  target_id      = var.alias
  arn            = var.alias_arn
}

resource "aws_lambda_permission" "rule" {
  for_each = local.rules

  statement_id  = "rule-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  qualifier     = var.alias
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

resource "aws_sns_topic_subscription" "this" {
  count = local.is_topic ? 1 : 0

  topic_arn     = local.source.source_arn
  protocol      = "lambda"
  endpoint      = var.alias_arn
  filter_policy = try(local.source.patterns[0], null)

  depends_on = [aws_lambda_permission.topic]
}

resource "aws_lambda_permission" "topic" {
  count = local.is_topic ? 1 : 0

  statement_id  = "topic-${var.name}"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  qualifier     = var.alias
  principal     = "sns.amazonaws.com"
  source_arn    = local.source.source_arn
}
