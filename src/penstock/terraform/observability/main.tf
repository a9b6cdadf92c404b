locals {
  watches = var.profile != "minimal"
  full    = var.profile == "full"

  # Names, not module outputs: a service that is destroyed leaves dashboard and alarms of the others alone.
  function_alarms = merge(
    local.watches ? {
      for key, function in var.functions : "${key}-errors" => {
        metric = "Errors", function = function.function_name, threshold = 1, statistic = "Sum", comparison = "GreaterThanOrEqualToThreshold"
        text   = "${function.function_name} fails"
      }
    } : {},
    local.full ? {
      for key, function in var.functions : "${key}-throttles" => {
        metric = "Throttles", function = function.function_name, threshold = 1, statistic = "Sum", comparison = "GreaterThanOrEqualToThreshold"
        text   = "${function.function_name} is refused concurrency"
      }
    } : {},
    local.full ? {
      for key, function in var.functions : "${key}-slow" => {
        metric = "Duration", function = function.function_name, threshold = function.timeout * 800, statistic = "p99", comparison = "GreaterThanThreshold"
        text   = "${function.function_name} uses more than 80 % of its timeout in 1 of 100 calls"
      }
    } : {},
    local.full ? {
      for key, function in var.functions : "${key}-behind" => {
        metric = "IteratorAge", function = function.function_name, threshold = 300000, statistic = "Maximum", comparison = "GreaterThanThreshold"
        text   = "${function.function_name} is more than five minutes behind its stream"
      } if function.has_stream
    } : {},
  )

  # What no release may do, whatever the judge still waits for: fail every other call. By slot and alias, so that the side
  # that fails is known. Fewer than twenty calls a minute prove nothing.
  rollout_alarms = var.rollouts ? {
    for pair in flatten([
      for key, function in var.functions : [
        for alias in function.aliases : { name = "${key}-${alias}", function = function.function_name, alias = alias }
      ]
    ]) : pair.name => pair
  } : {}

  dashboard_metrics = {
    for title, metric in { Invocations = "Sum", Errors = "Sum", Throttles = "Sum", Duration = "p99" } : title => {
      type                             = "metric"
      width                            = 12
      height                           = 6
      properties = {
        title   = title
        region  = var.region
        stat    = metric
        period  = 60
        view    = "timeSeries"
        metrics = [for key in sort(keys(var.functions)) : ["AWS/Lambda", title, "FunctionName", var.functions[key].function_name]]
      }
    }
  }
  dashboard_api = var.api_name == null ? [] : [{
    type   = "metric"
    width  = 24
    height = 6
    properties = {
      title  = "API"
      region = var.region
      stat   = "Sum"
      period = 60
      view   = "timeSeries"
      metrics = [
        for metric in ["Count", "4XXError", "5XXError"] : ["AWS/ApiGateway", metric, "ApiName", var.api_name, "Stage", "live"]
      ]
    }
  }]
  dashboard_tables = length(var.table_names) == 0 ? [] : [{
    type   = "metric"
    width  = 24
    height = 6
    properties = {
      title  = "Tables"
      region = var.region
      stat   = "Sum"
      period = 60
      view   = "timeSeries"
      metrics = flatten([
        for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] : [
          for table in sort(var.table_names) : [["AWS/DynamoDB", metric, "TableName", table]]
        ]
      ])
    }
  }]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = local.watches ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(local.dashboard_api, [for title in sort(keys(local.dashboard_metrics)) : local.dashboard_metrics[title]], local.dashboard_tables)
  })
}

resource "aws_cloudwatch_metric_alarm" "function" {
  for_each = local.function_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = { FunctionName = each.value.function }
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.notify_arns
}

resource "aws_cloudwatch_metric_alarm" "api" {
  count = local.watches && var.api_name != null ? 1 : 0

  alarm_name          = "${var.name}-api-5xx"
  alarm_description   = "${var.name} answers with server errors"
  namespace           = "AWS/ApiGateway"
  metric_name         = "5XXError"
  dimensions          = { ApiName = var.api_name, Stage = "live" }
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.notify_arns
}

resource "aws_cloudwatch_metric_alarm" "rollout" {
  for_each = local.rollout_alarms

  alarm_name          = "${var.name}-rollout-${each.key}"
  alarm_description   = "Every other call of ${each.value.function}:${each.value.alias} fails: a rollout to it comes back"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 0.5
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.notify_arns

  metric_query {
    id          = "failing"
    label       = "Share of calls that fail"
    expression  = "IF(calls >= 20, errors / calls, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { calls = "Invocations", errors = "Errors" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/Lambda"
        metric_name = metric_query.value
        dimensions  = { FunctionName = each.value.function, Resource = "${each.value.function}:${each.value.alias}" }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "rollout_api" {
  count = var.rollouts && var.api_name != null ? 1 : 0

  alarm_name          = "${var.name}-rollout-api"
  alarm_description   = "Every other request of ${var.name} is answered with a server error: a rollout under way comes back"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 0.5
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.notify_arns

  metric_query {
    id          = "failing"
    label       = "Share of requests that fail"
    expression  = "IF(calls >= 20, errors / calls, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { calls = "Count", errors = "5XXError" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApiGateway"
        metric_name = metric_query.value
        dimensions  = { ApiName = var.api_name, Stage = "live" }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "table" {
  for_each = local.full ? toset(var.table_names) : []

  alarm_name          = "${var.name}-table-${trimprefix(each.key, "${var.name}-")}-throttles"
  alarm_description   = "Table ${each.key} refuses reads or writes"
  namespace           = "AWS/DynamoDB"
  metric_name         = "ThrottledRequests"
  dimensions          = { TableName = each.key }
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.notify_arns
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.full ? toset(var.dead_letter_names) : []

  alarm_name          = "${var.name}-${trimprefix(each.key, "${var.name}-")}-waiting"
  alarm_description   = "Messages wait in ${each.key}, where nobody reads them"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.key }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.notify_arns
}
