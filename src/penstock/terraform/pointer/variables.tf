variable "prefix" {
  description = "Path in Parameter Store that belongs to this environment alone, with slashes at both ends: /penstock/<workspace>/<environment>/."
  type        = string

  validation {
    condition     = can(regex("^/.+/$", var.prefix))
    error_message = "The prefix begins and ends with a slash, such as /penstock/shop/dev/."
  }
}

variable "slot" {
  description = "null and \"staging\" leave traffic where it is; \"production\" makes the waiting candidate live, and does nothing when none waits."
  type        = string
  default     = null

  validation {
    condition     = var.slot == null || contains(["staging", "production"], coalesce(var.slot, "staging"))
    error_message = "slot is \"staging\" (traffic stays) or \"production\" (the candidate becomes live)."
  }
}

variable "retained" {
  description = "JSON of service name to IAM statements that stay, instead of what the parameter `retained` says; null for that. The release engine plans with it before it writes the parameter."
  type        = string
  default     = null
}
