output "role_arn" {
  description = "The controller's role."
  value       = aws_iam_role.this.arn
}
