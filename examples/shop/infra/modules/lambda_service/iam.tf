locals {
  role_name = coalesce(var.service.role_name, "${var.environment.workspace}-${var.environment.name}-${var.service.name}")

  logs = {
    Sid      = "OwnLogs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = [for key in sort(keys(local.functions)) : "${aws_cloudwatch_log_group.this[key].arn}:*"]
  }
  # X-Ray knows no resources to restrict these to.
  tracing = anytrue([for function in values(local.functions) : function.tracing]) ? [{
    Sid      = "Tracing"
    Effect   = "Allow"
    Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    Resource = ["*"]
  }] : []
  # Lambda makes network interfaces with the function's role; EC2 knows no resources for most of these actions.
  network = anytrue([for function in values(local.functions) : length(function.subnet_ids) > 0]) ? [{
    Sid    = "Network"
    Effect = "Allow"
    Action = [
      "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
    ]
    Resource = ["*"]
  }] : []

  # IAM refuses a policy that has a Sid twice, so what is retained goes without.
  unnamed  = [for statement in var.service.statements : merge(statement, { Sid = null })]
  retained = [for statement in var.service.retained : merge(statement, { Sid = null })]
  granted  = concat(var.service.statements, [for statement in local.retained : statement if !contains(local.unnamed, statement)])
  # Unset members would be written as null, which IAM refuses.
  statements = [
    for statement in concat([local.logs], local.tracing, local.network, local.granted) :
    { for word, value in statement : word => value if value != null }
  ]
}

# One role per service, never shared; all that it may do is written here.
resource "aws_iam_role" "this" {
  name                 = local.role_name
  description          = "Functions of ${var.service.name} in ${var.environment.workspace}-${var.environment.name}"
  permissions_boundary = var.service.boundary_arn
  tags                 = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "service"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.statements
  })
}
