resource "aws_ssm_parameter" "this" {
  name           = var.name
  type           = "String"
  insecure_value = var.value
  tags           = var.tags

  lifecycle {
    ignore_changes = [insecure_value, value]
  }
}
