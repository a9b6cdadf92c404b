mock_provider "aws" {
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:111111111111:rule/x" }
  }
}

variables {
  function_name = "shop-dev-worker"
  alias         = "live"
  alias_arn     = "arn:aws:lambda:eu-west-1:111111111111:function:shop-dev-worker:live"
  name          = "source"
}

run "a_stream_feeds_the_alias" {
  command = plan

  variables {
    event_source = { kind = "stream", source_arn = "arn:aws:dynamodb:eu-west-1:111111111111:table/t/stream/2026-01-01T00:00:00.000", starting_position = "TRIM_HORIZON", bisect = true, retries = 3, patterns = ["{\"eventName\":[\"INSERT\"]}"] }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].function_name == var.alias_arn && aws_lambda_event_source_mapping.this[0].starting_position == "TRIM_HORIZON"
    error_message = "The mapping calls the alias live, never $LATEST."
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.this) == 0 && length(aws_lambda_permission.rule) == 0
    error_message = "Lambda polls by itself: nobody needs a permission."
  }
}

run "a_queue_has_no_position" {
  command = plan

  variables {
    event_source = { kind = "queue", source_arn = "arn:aws:sqs:eu-west-1:111111111111:q", batch_size = 5, concurrency = 2 }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].starting_position == null && aws_lambda_event_source_mapping.this[0].scaling_config[0].maximum_concurrency == 2
    error_message = "A queue's concurrency is the mapping's scaling."
  }
}

run "a_schedule_is_a_rule_with_a_permission_for_live" {
  command = plan

  variables {
    function_name = "shop-dev-a-service-with-a-rather-long-name-and-a-worker"
    name          = "schedule"
    event_source  = { kind = "schedule", schedule = "rate(5 minutes)" }
  }

  assert {
    condition     = aws_cloudwatch_event_rule.this["schedule"].schedule_expression == "rate(5 minutes)" && length(aws_cloudwatch_event_rule.this["schedule"].name) <= 64
    error_message = "The rule has the schedule, and a name that EventBridge takes."
  }

  assert {
    condition     = aws_lambda_permission.rule["schedule"].qualifier == "live"
    error_message = "The rule may call live only."
  }
}

run "a_bucket_speaks_through_eventbridge" {
  command = plan

  variables {
    event_source = { kind = "bucket", bucket = "shop-dev-photos", prefix = "new/", suffix = ".jpg" }
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["source"].event_pattern).detail.bucket.name == ["shop-dev-photos"] && jsondecode(aws_cloudwatch_event_rule.this["source"].event_pattern).detail.object.key == [{ wildcard = "new/*.jpg" }]
    error_message = "The pattern names the bucket and the keys."
  }
}

run "something_else_is_refused" {
  command = plan

  variables {
    event_source = { kind = "carrier-pigeon" }
  }

  expect_failures = [var.event_source]
}
