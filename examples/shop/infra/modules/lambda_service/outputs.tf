output "role_arn" {
  description = "The service's role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "The service's role, by name."
  value       = aws_iam_role.this.name
}

output "function_names" {
  description = "Short name to AWS's name of each function. Versions are deliberately no output: they move without Terraform."
  value       = { for key, function in aws_lambda_function.this : key => function.function_name }
}

output "function_arns" {
  description = "Short name to the unqualified ARN of each function."
  value       = { for key, function in aws_lambda_function.this : key => function.arn }
}

output "log_groups" {
  description = "Short name to the log group of each function."
  value       = { for key, group in aws_cloudwatch_log_group.this : key => group.name }
}
