# A boundary grants nothing: it is the fence around whatever a role's own policy grants, today or by mistake tomorrow.
# Everything of the fenced services that is not this environment's is out of reach, known by name or not.
resource "aws_iam_policy" "this" {
  name        = var.name
  description = "No role of this environment reaches another account or environment, whatever its policy says."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OwnAccount"
        Effect    = "Allow"
        NotAction = [for service in sort(var.fenced) : "${service}:*"]
        Resource  = "*"
        Condition = { StringEqualsIfExists = { "aws:ResourceAccount" = var.account } }
      },
      {
        Sid      = "OwnEnvironment"
        Effect   = "Allow"
        Action   = [for service in sort(var.fenced) : "${service}:*"]
        Resource = sort(distinct(var.own))
      },
    ]
  })
}
