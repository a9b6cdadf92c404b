variable "name" {
  description = "Name of the API that callers use. The preview API is <name>-preview."
  type        = string
}

variable "document" {
  description = "The OpenAPI 3.0 document. Integration URIs are built from names and end in :$${stageVariables.slot}/invocations."
  type        = any

  validation {
    condition     = length(try(var.document.paths, {})) > 0
    error_message = "API Gateway refuses to deploy an API without methods: leave the module out when no function has routes."
  }
}

variable "live" {
  description = "The slot that callers reach: blue or green."
  type        = string

  validation {
    condition     = contains(["blue", "green"], var.live)
    error_message = "A slot is blue or green."
  }
}

variable "idle" {
  description = "The slot that the preview API serves."
  type        = string

  validation {
    condition     = contains(["blue", "green"], var.idle)
    error_message = "A slot is blue or green."
  }
}

variable "deployment_id" {
  description = "The deployment that the live stage serves; null for the module's own first one."
  type        = string
  default     = null
}

variable "tracing" {
  description = "X-Ray tracing of both stages."
  type        = bool
  default     = false
}

variable "metrics" {
  description = "Detailed CloudWatch metrics per method of the live stage. They cost money."
  type        = bool
  default     = false
}

variable "access_logs" {
  description = "Access log of the live stage, and its counts of requests and server errors by route and side in the namespace Penstock/<name>; null for none. Without `counted` there are no counts. `account_role` makes the role that API Gateway needs once per account and region, and sets it (aws_api_gateway_account)."
  type = object({
    retention_days = optional(number, 30)
    account_role   = optional(bool, false)
    counted        = optional(bool, true)
  })
  default = null
}

variable "throttle" {
  description = "Requests per second and burst that the live stage accepts; null for the account's own limits."
  type = object({
    rate  = number
    burst = number
  })
  default = null
}
