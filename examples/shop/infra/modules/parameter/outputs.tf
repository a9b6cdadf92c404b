output "arn" {
  description = "The parameter's ARN."
  value       = aws_ssm_parameter.this.arn
}
