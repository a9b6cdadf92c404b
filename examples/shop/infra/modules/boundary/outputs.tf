output "arn" {
  description = "The policy's ARN, for the permissions boundary of roles."
  value       = aws_iam_policy.this.arn
}
