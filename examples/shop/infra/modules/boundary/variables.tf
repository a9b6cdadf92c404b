variable "name" {
  description = "The policy's name."
  type        = string
}

variable "account" {
  description = "The only account whose resources may be touched."
  type        = string
}

variable "fenced" {
  description = "AWS services, by IAM prefix such as dynamodb, of which only the resources in own may be touched."
  type        = list(string)
}

variable "own" {
  description = "ARNs, or ARN patterns, of this environment's resources and of those outside that somebody asked for."
  type        = list(string)
}
