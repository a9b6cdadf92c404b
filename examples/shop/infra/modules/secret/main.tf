# The container only. A value that passed through Terraform would lie in its state and plans: it is set by
# `penstock secrets set`, or by hand.
resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = "Its value is set outside of Terraform."
  recovery_window_in_days = var.recovery_days
  tags                    = var.tags
}
