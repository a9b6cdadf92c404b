variable "environment" {
  description = "Where the service lives: workspace and environment name, and the bucket that holds the placeholder which a function is created from. The release engine replaces it before any traffic."
  type = object({
    workspace       = string
    name            = string
    bucket          = string
    placeholder_key = optional(string, "bootstrap/placeholder.zip")
  })
}

variable "service" {
  description = "The service: its name, its functions by short name, and the IAM statements (in IAM's own JSON words) that its role is granted. `retained` statements are those that a release in a slot still needs though the configuration dropped them."
  type = object({
    name         = string
    role_name    = optional(string)
    boundary_arn = optional(string)
    functions = map(object({
      function_name        = string
      description          = optional(string, "")
      handler              = string
      runtime              = string
      architecture         = optional(string, "arm64")
      memory               = optional(number, 256)
      timeout              = optional(number, 10)
      ephemeral_storage    = optional(number, 512)
      environment          = optional(map(string), {})
      layers               = optional(list(string), [])
      tracing              = optional(bool, false)
      reserved_concurrency = optional(number)
      log_retention_days   = optional(number, 14)
      dead_letter_arn      = optional(string)
      subnet_ids           = optional(list(string), [])
      security_group_ids   = optional(list(string), [])
      http                 = optional(bool, false)
      event_sources = optional(map(object({
        kind              = string
        source_arn        = optional(string)
        schedule          = optional(string)
        patterns          = optional(list(string), [])
        bucket            = optional(string)
        bus               = optional(string)
        prefix            = optional(string, "")
        suffix            = optional(string, "")
        events            = optional(list(string), [])
        batch_size        = optional(number)
        window_seconds    = optional(number)
        starting_position = optional(string, "LATEST")
        bisect            = optional(bool, false)
        report_failures   = optional(bool, false)
        retries           = optional(number)
        concurrency       = optional(number)
      })), {})
    }))
    statements = optional(list(object({
      Sid       = optional(string)
      Effect    = optional(string, "Allow")
      Action    = list(string)
      Resource  = list(string)
      Condition = optional(map(map(list(string))))
    })), [])
    retained = optional(list(object({
      Sid       = optional(string)
      Effect    = optional(string, "Allow")
      Action    = list(string)
      Resource  = list(string)
      Condition = optional(map(map(list(string))))
    })), [])
  })

  validation {
    condition     = alltrue([for function in values(var.service.functions) : length(function.function_name) <= 64])
    error_message = "A Lambda function's name has at most 64 characters."
  }

  validation {
    condition     = alltrue([for function in values(var.service.functions) : contains(["arm64", "x86_64"], function.architecture)])
    error_message = "An architecture is arm64 or x86_64."
  }

  validation {
    condition     = length(coalesce(var.service.role_name, "${var.environment.workspace}-${var.environment.name}-${var.service.name}")) <= 64
    error_message = "An IAM role's name has at most 64 characters."
  }
}

variable "callers" {
  description = "Who may invoke the slots of functions with http = true: a name to the execution ARN of an API's stage (the output callers of rest_api)."
  type        = map(string)
  default     = {}
}
