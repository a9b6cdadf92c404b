variable "name" {
  description = "The topic's name in AWS."
  type        = string
}

variable "tags" {
  description = "Tags beside the provider's default ones."
  type        = map(string)
  default     = {}
}
