output "dashboard" {
  description = "The dashboard's name; null without one."
  value       = try(aws_cloudwatch_dashboard.this[0].dashboard_name, null)
}

output "alarms" {
  description = "Names of all alarms, sorted."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.function : alarm.alarm_name],
    aws_cloudwatch_metric_alarm.api[*].alarm_name,
    [for alarm in aws_cloudwatch_metric_alarm.rollout : alarm.alarm_name],
    aws_cloudwatch_metric_alarm.rollout_api[*].alarm_name,
    [for alarm in aws_cloudwatch_metric_alarm.table : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.dead_letters : alarm.alarm_name],
  ))
}
