variable "name" {
  description = "The policy's name."
  type        = string
}

variable "account" {
  description = "The only account whose resources may be touched."
  type        = string
}

variable "workspace" {
  description = "The workspace's name: what its resources' names begin with."
  type        = string
}

variable "other_environments" {
  description = "The workspace's other environments: their resources are forbidden even in the same account."
  type        = list(string)
  default     = []
}
