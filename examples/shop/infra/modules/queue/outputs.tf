output "name" {
  description = "The queue's name in AWS."
  value       = aws_sqs_queue.this.name
}

output "arn" {
  description = "The queue's ARN."
  value       = aws_sqs_queue.this.arn
}

output "url" {
  description = "Where messages are sent to."
  value       = aws_sqs_queue.this.url
}

output "dead_letter_name" {
  description = "Name of the dead-letter queue; null without one."
  value       = try(aws_sqs_queue.dead[0].name, null)
}
