variable "name" {
  description = "The table's name in AWS."
  type        = string
}

variable "hash_key" {
  description = "Attribute that is the partition key."
  type        = string
}

variable "range_key" {
  description = "Attribute that is the sort key; null for none."
  type        = string
  default     = null
}

variable "attributes" {
  description = "Type of every attribute that a key uses: S, N or B. No other attributes."
  type        = map(string)

  validation {
    condition     = alltrue([for type in values(var.attributes) : contains(["S", "N", "B"], type)])
    error_message = "A key's attribute is of type S, N or B."
  }
}

variable "indexes" {
  description = "Global secondary indexes by name."
  type = map(object({
    hash_key   = string
    range_key  = optional(string)
    projection = optional(string, "ALL")
  }))
  default = {}
}

variable "capacity" {
  description = "Provisioned capacity that follows its use between minimum and maximum, holding target percent; null for on-demand. Indexes get the same."
  type = object({
    read   = object({ minimum = number, maximum = number })
    write  = object({ minimum = number, maximum = number })
    target = optional(number, 70)
  })
  default = null
}

variable "stream" {
  description = "What the table's stream shows: NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES or KEYS_ONLY; null for no stream."
  type        = string
  default     = null
}

variable "ttl_attribute" {
  description = "Attribute that holds the time, in seconds since 1970, when an item expires; null for none."
  type        = string
  default     = null
}

variable "backups" {
  description = "Point-in-time recovery."
  type        = bool
  default     = false
}

variable "protected" {
  description = "Deletion protection. Nothing but a change of this switch makes the table deletable."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Customer-managed key that encrypts the table; null for DynamoDB's own key. It is encrypted either way."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags beside the provider's default ones."
  type        = map(string)
  default     = {}
}
