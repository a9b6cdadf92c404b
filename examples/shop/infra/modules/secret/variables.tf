variable "name" {
  description = "The secret's name in Secrets Manager."
  type        = string
}

variable "recovery_days" {
  description = "Days during which a deleted secret can be brought back: 7 to 30, or 0 for at once."
  type        = number
  default     = 7

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "recovery_days is 0, or 7 to 30."
  }
}

variable "tags" {
  description = "Tags beside the provider's default ones."
  type        = map(string)
  default     = {}
}
