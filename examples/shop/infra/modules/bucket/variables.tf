variable "name" {
  description = "The bucket's name, unique in the world."
  type        = string
}

variable "force_destroy" {
  description = "Whether destroying the bucket may destroy what is in it."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags beside the provider's default ones."
  type        = map(string)
  default     = {}
}
