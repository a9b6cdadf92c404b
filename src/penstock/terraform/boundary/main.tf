locals {
  foreign = flatten([
    for environment in sort(var.other_environments) : [
      "arn:aws:dynamodb:*:*:table/${var.workspace}-${environment}-*",
      "arn:aws:lambda:*:*:function:${var.workspace}-${environment}-*",
      "arn:aws:s3:::penstock-${var.workspace}-${environment}-*",
      "arn:aws:s3:::${var.workspace}-${environment}-*",
      "arn:aws:secretsmanager:*:*:secret:${var.workspace}/${environment}/*",
      "arn:aws:sns:*:*:${var.workspace}-${environment}-*",
      "arn:aws:sqs:*:*:${var.workspace}-${environment}-*",
      "arn:aws:ssm:*:*:parameter/${var.workspace}/${environment}/*",
      "arn:aws:ssm:*:*:parameter/penstock/*",
    ]
  ])
}

# A boundary grants nothing: it is the fence around whatever a role's own policy grants, today or by mistake tomorrow.
resource "aws_iam_policy" "this" {
  name        = var.name
  description = "No role of this environment reaches another account or environment, whatever its policy says."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        { Sid = "Fence", Effect = "Allow", Action = "*", Resource = "*" },
        {
          Sid       = "OtherAccounts"
          Effect    = "Deny"
          Action    = "*"
          Resource  = "*"
          Condition = { StringNotEqualsIfExists = { "aws:ResourceAccount" = var.account } }
        },
        {
          Sid      = "NobodyGrantsHimself"
          Effect   = "Deny"
          Action   = ["iam:*", "organizations:*", "sts:AssumeRole"]
          Resource = "*"
        },
      ],
      length(local.foreign) > 0 ? [{ Sid = "OtherEnvironments", Effect = "Deny", Action = "*", Resource = distinct(local.foreign) }] : [],
    )
  })
}
