locals {
  aws       = "arn:${var.environment.partition}"
  home      = "${var.environment.region}:${var.environment.account}"
  bucket    = "${local.aws}:s3:::${var.environment.bucket}"
  functions = [for name in sort(var.functions.names) : "${local.aws}:lambda:${local.home}:function:${name}"]
  aliases   = [for arn in local.functions : "${arn}:*"]
  stages    = var.apis == null ? [] : ["${var.apis.live}/stages/live", "${var.apis.preview}/stages/preview"]
  apis      = var.apis == null ? [] : [var.apis.live, var.apis.preview]
  gateway   = "${local.aws}:apigateway:${var.environment.region}::/restapis"

  # All that a rollout needs from its first weight to its last, and nothing that could change code or configuration.
  statements = concat(
    [
      {
        Sid      = "OwnLog"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
      },
      {
        Sid      = "ReadTheEnvironment"
        Action   = ["s3:GetObject"]
        Resource = [for key in ["ledger-head.json", "ledger/*", "lease.json", "releases/*", "rollout.json", "rollout/*", "terraform/removals.json", "warm.json"] : "${local.bucket}/${key}"]
      },
      {
        # Without it a missing object is told as a forbidden one.
        Sid      = "SeeWhatIsThere"
        Action   = ["s3:ListBucket"]
        Resource = [local.bucket]
      },
      {
        Sid      = "WriteWhatHappened"
        Action   = ["s3:PutObject"]
        Resource = [for key in ["ledger-head.json", "ledger/*", "lease.json", "releases/history.json", "rollout.json", "rollout/late.json", "rollout/pointer.json", "warm.json"] : "${local.bucket}/${key}"]
      },
      {
        Sid      = "ThePointer"
        Action   = ["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"]
        Resource = ["${local.aws}:ssm:${local.home}:parameter${var.environment.pointer_prefix}*"]
      },
      {
        # CloudWatch knows no resources to restrict reading to.
        Sid      = "Measure"
        Action   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
        Resource = ["*"]
      },
      {
        Sid      = "StopTheTicks"
        Action   = ["scheduler:DeleteSchedule"]
        Resource = ["${local.aws}:scheduler:${local.home}:schedule/${var.name}/*"]
      },
    ],
    length(local.functions) == 0 ? [] : [
      {
        Sid      = "SeeAndShareVersions"
        Action   = ["lambda:ListAliases", "lambda:ListVersionsByFunction", "lambda:UpdateAlias"]
        Resource = concat(local.functions, local.aliases)
      },
      {
        Sid      = "Verify"
        Action   = ["lambda:InvokeFunction"]
        Resource = local.aliases
      },
    ],
    !var.functions.warm ? [] : [{
      Sid = "KeepWarm"
      Action = [
        "lambda:DeleteProvisionedConcurrencyConfig", "lambda:GetProvisionedConcurrencyConfig",
        "lambda:PutProvisionedConcurrencyConfig",
      ]
      Resource = local.aliases
    }],
    var.apis == null ? [] : [
      {
        Sid    = "SeeTheApis"
        Action = ["apigateway:GET"]
        Resource = concat(
          [local.gateway],
          [for api in local.apis : "${local.gateway}/${api}/deployments"],
          [for api in local.apis : "${local.gateway}/${api}/deployments/*"],
          [for stage in local.stages : "${local.gateway}/${stage}"],
        )
      },
      {
        Sid      = "MoveTraffic"
        Action   = ["apigateway:PATCH"]
        Resource = [for stage in local.stages : "${local.gateway}/${stage}"]
      },
      {
        Sid      = "AskThePreview"
        Action   = ["execute-api:Invoke"]
        Resource = ["${local.aws}:execute-api:${local.home}:${var.apis.preview}/preview/*"]
      },
    ],
    var.access_log == null ? [] : [
      {
        Sid      = "CountRequests"
        Action   = ["logs:StartQuery"]
        Resource = [var.access_log, "${var.access_log}:*"]
      },
      {
        # Logs Insights knows no resources to restrict answers to.
        Sid      = "ReadTheCounts"
        Action   = ["logs:GetQueryResults"]
        Resource = ["*"]
      },
    ],
    length(var.secrets) == 0 ? [] : [{
      Sid      = "AskWebhooks"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = sort(var.secrets)
    }],
    length(var.topics) == 0 ? [] : [{
      Sid      = "TellPeople"
      Action   = ["sns:Publish"]
      Resource = sort(var.topics)
    }],
  )
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "The function that looks after rollouts: moves traffic between releases that are there, and nothing else."

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
  name = "rollouts"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in local.statements : merge({ Effect = "Allow" }, statement)]
  })
}

# Configuration is Terraform's; the code comes from the release engine, with the first rollout that needs it.
resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = "Looks after rollouts: drives those that were detached, and those whose driver has died."
  role          = aws_iam_role.this.arn
  handler       = var.code.handler
  runtime       = var.code.runtime
  architectures = [var.code.architecture]
  memory_size   = 512
  timeout       = 300
  publish       = false
  s3_bucket     = var.environment.bucket
  s3_key        = var.environment.placeholder_key

  lifecycle {
    ignore_changes = [
      filename, s3_bucket, s3_key, s3_object_version, source_code_hash, image_uri, architectures,
    ]
  }

  # Lambda would create a log group without retention by itself if the function ran first.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

# While a rollout is under way there is a schedule in this group, made and deleted by the release engine.
resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_iam_role" "ticks" {
  name        = "${var.name}-ticks"
  description = "Lets EventBridge Scheduler call the function ${var.name}, and nothing else."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      # Nobody else's schedules may borrow this role (the confused deputy).
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = var.environment.account
          "aws:SourceArn"     = "${local.aws}:scheduler:${local.home}:schedule-group/${var.name}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "ticks" {
  name = "call"
  role = aws_iam_role.ticks.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = aws_lambda_function.this.arn
    }]
  })
}
