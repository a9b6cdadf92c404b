output "live" {
  description = "The slot that HTTP traffic goes to: blue or green."
  value       = local.live
}

output "idle" {
  description = "The other slot."
  value       = local.live == "blue" ? "green" : "blue"
}

output "deployment_id" {
  description = "The API deployment that belongs to the live slot; null before the first release."
  value       = local.observed.deployments[local.live]
}

output "retained" {
  description = "Service name to IAM statements which releases in a slot still need though the configuration dropped them."
  value       = local.retained
}
