output "live" {
  description = "The slot that HTTP traffic goes to: blue or green."
  value       = local.live

  # The pointer is written before any stage follows it, so that a crash between the two can be finished.
  depends_on = [aws_ssm_parameter.pointer]
}

output "idle" {
  description = "The other slot."
  value       = local.live == "blue" ? "green" : "blue"

  # The pointer is written before any stage follows it, so that a crash between the two can be finished.
  depends_on = [aws_ssm_parameter.pointer]
}

output "deployment_id" {
  description = "The API deployment that belongs to the live slot; null before the first release."
  value       = local.observed.deployments[local.live]

  # The pointer is written before any stage follows it, so that a crash between the two can be finished.
  depends_on = [aws_ssm_parameter.pointer]
}

output "retained" {
  description = "Service name to IAM statements which releases in a slot still need though the configuration dropped them."
  value       = local.retained
}
