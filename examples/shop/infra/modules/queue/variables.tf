variable "name" {
  description = "The queue's name in AWS. A FIFO queue's ends in .fifo."
  type        = string
}

variable "fifo" {
  description = "First in, first out, with content-based deduplication."
  type        = bool
  default     = false
}

variable "visibility_seconds" {
  description = "How long a received message is hidden. At least six times the consumer's timeout, says Lambda's documentation."
  type        = number
  default     = 60
}

variable "dead_letter_after" {
  description = "Receives after which a message goes to the dead-letter queue <name>-dead; null for no such queue."
  type        = number
  default     = null
}

variable "tags" {
  description = "Tags beside the provider's default ones."
  type        = map(string)
  default     = {}
}
