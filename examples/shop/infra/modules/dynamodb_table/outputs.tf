output "name" {
  description = "The table's name in AWS."
  value       = aws_dynamodb_table.this.name
}

output "arn" {
  description = "The table's ARN."
  value       = aws_dynamodb_table.this.arn
}

output "stream_arn" {
  description = "ARN of the stream; null without one."
  value       = var.stream == null ? null : aws_dynamodb_table.this.stream_arn
}
