locals {
  scales = var.capacity != null

  # What autoscaling set last is what Terraform asks for, so that it never fights it. Only a provisioned table asks.
  exists = local.scales && contains(try(data.aws_dynamodb_tables.all[0].names, []), var.name)
  actual = try(data.aws_dynamodb_table.actual[0], null)
  actual_index = {
    for index in try(local.actual.global_secondary_index, []) : index.name => index
  }
  read  = local.scales ? max(var.capacity.read.minimum, try(local.actual.read_capacity, 0)) : null
  write = local.scales ? max(var.capacity.write.minimum, try(local.actual.write_capacity, 0)) : null

  resources = local.scales ? merge(
    { "" = "table/${var.name}" },
    { for index in keys(var.indexes) : index => "table/${var.name}/index/${index}" },
  ) : {}
  scaled = {
    for pair in setproduct(keys(local.resources), ["read", "write"]) : trimprefix("${pair[0]}/${pair[1]}", "/") => {
      resource  = local.resources[pair[0]]
      dimension = "dynamodb:${pair[0] == "" ? "table" : "index"}:${pair[1] == "read" ? "Read" : "Write"}CapacityUnits"
      metric    = "DynamoDB${pair[1] == "read" ? "Read" : "Write"}CapacityUtilization"
      range     = var.capacity[pair[1]]
    }
  }
}

data "aws_dynamodb_tables" "all" {
  count = local.scales ? 1 : 0
}

data "aws_dynamodb_table" "actual" {
  count = local.exists ? 1 : 0

  name = var.name
}

resource "aws_dynamodb_table" "this" {
  name                        = var.name
  billing_mode                = local.scales ? "PROVISIONED" : "PAY_PER_REQUEST"
  hash_key                    = var.hash_key
  range_key                   = var.range_key
  read_capacity               = local.read
  write_capacity              = local.write
  stream_enabled              = var.stream != null
  stream_view_type            = var.stream
  deletion_protection_enabled = var.protected
  tags                        = var.tags

  dynamic "attribute" {
    for_each = var.attributes

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = var.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      range_key       = global_secondary_index.value.range_key
      projection_type = global_secondary_index.value.projection
      read_capacity   = local.scales ? max(var.capacity.read.minimum, try(local.actual_index[global_secondary_index.key].read_capacity, 0)) : null
      write_capacity  = local.scales ? max(var.capacity.write.minimum, try(local.actual_index[global_secondary_index.key].write_capacity, 0)) : null
    }
  }

  dynamic "ttl" {
    for_each = var.ttl_attribute == null ? [] : [var.ttl_attribute]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = var.backups
  }

  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
}

resource "aws_appautoscaling_target" "this" {
  for_each = local.scaled

  service_namespace  = "dynamodb"
  resource_id        = each.value.resource
  scalable_dimension = each.value.dimension
  min_capacity       = each.value.range.minimum
  max_capacity       = each.value.range.maximum

  depends_on = [aws_dynamodb_table.this]
}

resource "aws_appautoscaling_policy" "this" {
  for_each = local.scaled

  name               = each.value.metric
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.key].service_namespace
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.this[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value = var.capacity.target

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
    }
  }
}
