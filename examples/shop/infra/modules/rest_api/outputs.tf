output "id" {
  description = "Id of the API that callers use."
  value       = aws_api_gateway_rest_api.live.id
}

output "preview_id" {
  description = "Id of the preview API."
  value       = aws_api_gateway_rest_api.preview.id
}

output "invoke_url" {
  description = "Where callers reach the live stage on AWS."
  value       = aws_api_gateway_stage.live.invoke_url
}

output "access_log_group" {
  description = "Log group of the access log; null without one."
  value       = try(aws_cloudwatch_log_group.access[0].name, null)
}

output "callers" {
  description = "Who may invoke a function's slots: API name to the execution ARN of its stage, for lambda_service's callers."
  value = {
    live    = "${aws_api_gateway_rest_api.live.execution_arn}/live"
    preview = "${aws_api_gateway_rest_api.preview.execution_arn}/preview"
  }
}
