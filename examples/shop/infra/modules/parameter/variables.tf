variable "name" {
  description = "The parameter's path in Parameter Store."
  type        = string
}

variable "value" {
  description = "Its first content. Later ones are set by people and left alone. Not for secrets."
  type        = string
}

variable "tags" {
  description = "Tags beside the provider's default ones."
  type        = map(string)
  default     = {}
}
