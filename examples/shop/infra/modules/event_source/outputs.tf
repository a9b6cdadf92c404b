output "mapping_id" {
  description = "UUID of the event source mapping; null unless the source is a queue or a stream."
  value       = try(aws_lambda_event_source_mapping.this[0].uuid, null)
}
