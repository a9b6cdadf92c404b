variable "name" {
  description = "Name of the dashboard and prefix of the alarms: <workspace>-<environment>."
  type        = string
}

variable "region" {
  description = "Region that the dashboard's graphs read from."
  type        = string
}

variable "profile" {
  description = "minimal: nothing beyond the logs. standard: a dashboard and alarms on errors. full: alarms on throttles, slowness, stuck streams, tables and dead letters as well."
  type        = string
  default     = "minimal"

  validation {
    condition     = contains(["minimal", "standard", "full"], var.profile)
    error_message = "A profile is minimal, standard or full."
  }
}

variable "functions" {
  description = "Functions by key: AWS's name, timeout in seconds, whether a stream or queue feeds it, and the aliases through which it is called: the slots, or live."
  type = map(object({
    function_name = string
    timeout       = number
    has_stream    = optional(bool, false)
    aliases       = optional(list(string), [])
  }))
}

variable "rollouts" {
  description = "Alarms per alias and for the API that bring a rollout back at once, whatever the profile."
  type        = bool
  default     = false
}

variable "api_name" {
  description = "Name of the REST API that callers use; null for none."
  type        = string
  default     = null
}

variable "table_names" {
  description = "Tables to watch, by AWS's name."
  type        = list(string)
  default     = []
}

variable "dead_letter_names" {
  description = "Dead-letter queues to watch, by AWS's name."
  type        = list(string)
  default     = []
}

variable "notify_arns" {
  description = "Topics that an alarm tells."
  type        = list(string)
  default     = []
}
