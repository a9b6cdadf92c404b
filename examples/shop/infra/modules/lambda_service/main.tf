locals {
  slots   = toset(["blue", "green"])
  aliases = setunion(local.slots, ["live"])

  functions = var.service.functions
  tags      = { "penstock:service" = var.service.name }

  function_aliases = {
    for pair in setproduct(keys(local.functions), local.aliases) : "${pair[0]}/${pair[1]}" => {
      function = pair[0]
      alias    = pair[1]
    }
  }
  permissions = {
    for triple in setproduct([for key, function in local.functions : key if function.http], local.slots, keys(var.callers)) :
    "${triple[0]}/${triple[1]}/${triple[2]}" => { function = triple[0], slot = triple[1], caller = triple[2] }
  }
  event_sources = merge([
    for key, function in local.functions : {
      for name, source in function.event_sources : "${key}/${name}" => merge(source, { function = key, name = name })
    }
  ]...)
}

# Configuration is Terraform's; code and traffic are the release engine's. So every attribute of the code is set once,
# to a placeholder, and ignored from then on. Architecture belongs to the code: the engine gives it with each publish.
resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name = each.value.function_name
  description   = each.value.description
  role          = aws_iam_role.this.arn
  handler       = each.value.handler
  runtime       = each.value.runtime
  architectures = [each.value.architecture]
  memory_size   = each.value.memory
  timeout       = each.value.timeout
  layers        = each.value.layers
  publish       = false
  s3_bucket     = var.environment.bucket
  s3_key        = var.environment.placeholder_key
  tags          = local.tags

  # -1 is Lambda's word for "no reservation".
  reserved_concurrent_executions = coalesce(each.value.reserved_concurrency, -1)

  ephemeral_storage {
    size = each.value.ephemeral_storage
  }

  tracing_config {
    mode = each.value.tracing ? "Active" : "PassThrough"
  }

  dynamic "environment" {
    for_each = length(each.value.environment) > 0 ? [each.value.environment] : []

    content {
      variables = environment.value
    }
  }

  dynamic "dead_letter_config" {
    for_each = each.value.dead_letter_arn == null ? [] : [each.value.dead_letter_arn]

    content {
      target_arn = dead_letter_config.value
    }
  }

  dynamic "vpc_config" {
    for_each = length(each.value.subnet_ids) > 0 ? [each.value] : []

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  lifecycle {
    ignore_changes = [
      filename, s3_bucket, s3_key, s3_object_version, source_code_hash, image_uri, architectures,
    ]
  }

  # Lambda would create a log group without retention by itself if the function ran first.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

# Aliases carry nothing that Terraform could change: where they point is the engine's.
resource "aws_lambda_alias" "this" {
  for_each = local.function_aliases

  name             = each.value.alias
  function_name    = aws_lambda_function.this[each.value.function].function_name
  function_version = "$LATEST"

  lifecycle {
    ignore_changes = [function_version, routing_config]
  }
}

resource "aws_lambda_permission" "http" {
  for_each = local.permissions

  statement_id  = "api-${each.value.caller}-${each.value.slot}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.value.function].function_name
  qualifier     = aws_lambda_alias.this["${each.value.function}/${each.value.slot}"].name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${var.callers[each.value.caller]}/*"
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.functions

  name              = "/aws/lambda/${each.value.function_name}"
  retention_in_days = each.value.log_retention_days
  tags              = local.tags
}

module "event_source" {
  source   = "../event_source"
  for_each = local.event_sources

  function_name = aws_lambda_function.this[each.value.function].function_name
  alias         = aws_lambda_alias.this["${each.value.function}/live"].name
  alias_arn     = aws_lambda_alias.this["${each.value.function}/live"].arn
  name          = each.value.name
  event_source  = each.value

  # Lambda refuses a mapping whose role may not read the source yet.
  depends_on = [aws_iam_role_policy.this]
}
