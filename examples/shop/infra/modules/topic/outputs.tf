output "arn" {
  description = "The topic's ARN."
  value       = aws_sns_topic.this.arn
}
