variable "name" {
  description = "Name of the function, of its role and of the group that its schedules are in."
  type        = string

  validation {
    condition     = length(var.name) <= 58
    error_message = "A role's name has at most 64 characters, and one of them ends in -ticks."
  }
}

variable "environment" {
  description = "The environment: account, region, the bucket that holds its releases, and the path in Parameter Store that is its own."
  type = object({
    account         = string
    region          = string
    partition       = optional(string, "aws")
    bucket          = string
    pointer_prefix  = string
    placeholder_key = optional(string, "bootstrap/placeholder.zip")
  })
}

variable "functions" {
  description = "Names of the functions whose traffic moves; warm says whether some of them keep environments provisioned."
  type = object({
    names = list(string)
    warm  = optional(bool, false)
  })
}

variable "apis" {
  description = "Ids of the REST API that callers use and of its preview; null without an API."
  type = object({
    live    = string
    preview = string
  })
  default = null
}

variable "access_log" {
  description = "ARN of the log group of the live stage's access log, where it is queried; null where metric filters count it."
  type        = string
  default     = null
}

variable "topics" {
  description = "ARNs of the topics that learn how a rollout ended."
  type        = list(string)
  default     = []
}

variable "secrets" {
  description = "ARNs of the secrets that webhooks are asked with."
  type        = list(string)
  default     = []
}

variable "code" {
  description = "What runs: runtime, architecture and handler of the controller's code, which the release engine puts in."
  type = object({
    runtime      = string
    architecture = string
    handler      = string
  })
}

variable "log_retention_days" {
  description = "How long its log is kept."
  type        = number
  default     = 30
}
