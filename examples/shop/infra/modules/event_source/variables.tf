variable "function_name" {
  description = "The function, without qualifier."
  type        = string
}

variable "alias" {
  description = "The alias that is called: live."
  type        = string
}

variable "alias_arn" {
  description = "ARN of that alias."
  type        = string
}

variable "name" {
  description = "Name of this source within the function: part of rule names and statement ids."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,40}$", var.name))
    error_message = "A source's name has 1 to 40 letters, digits, hyphens or underscores."
  }
}

variable "event_source" {
  description = "What calls the function. queue, stream and topic need source_arn; schedule needs schedule; bucket needs bucket; bus needs bus and patterns. Unset numbers leave Lambda's defaults."
  type = object({
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
  })

  validation {
    condition     = contains(["queue", "stream", "schedule", "topic", "bucket", "bus"], var.event_source.kind)
    error_message = "An event source is a queue, stream, schedule, topic, bucket or bus."
  }
}
