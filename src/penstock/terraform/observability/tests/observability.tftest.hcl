mock_provider "aws" {}

variables {
  name              = "shop-dev"
  region            = "eu-west-1"
  functions         = { users = { function_name = "shop-dev-users", timeout = 10 }, worker = { function_name = "shop-dev-worker", timeout = 60, has_stream = true } }
  api_name          = "shop-dev"
  table_names       = ["shop-dev-users"]
  dead_letter_names = ["shop-dev-outbox-dead"]
}

run "minimal_costs_nothing" {
  command = plan

  assert {
    condition     = length(output.alarms) == 0 && output.dashboard == null
    error_message = "Logs are enough for development."
  }
}

run "standard_has_a_dashboard_and_tells_of_errors" {
  command = plan

  variables {
    profile = "standard"
  }

  assert {
    condition     = join(" ", output.alarms) == "shop-dev-api-5xx shop-dev-users-errors shop-dev-worker-errors"
    error_message = "One alarm per function, one for the API."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets) == 6
    error_message = "API, four function metrics, tables."
  }
}

run "full_watches_throttles_slowness_streams_tables_and_dead_letters" {
  command = plan

  variables {
    profile = "full"
  }

  assert {
    condition = join(" ", output.alarms) == join(" ", [
      "shop-dev-api-5xx", "shop-dev-outbox-dead-waiting", "shop-dev-table-users-throttles", "shop-dev-users-errors", "shop-dev-users-slow",
      "shop-dev-users-throttles", "shop-dev-worker-behind", "shop-dev-worker-errors", "shop-dev-worker-slow", "shop-dev-worker-throttles",
    ])
    error_message = "Only what has a stream can fall behind it."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.function["worker-slow"].threshold == 48000 && aws_cloudwatch_metric_alarm.function["worker-slow"].extended_statistic == "p99"
    error_message = "Slow is 80 % of the function's own timeout."
  }
}

run "rollouts_have_an_alarm_for_each_alias_and_for_the_api" {
  command = plan

  variables {
    rollouts = true
    functions = {
      users  = { function_name = "shop-dev-users", timeout = 10, aliases = ["blue", "green"] }
      worker = { function_name = "shop-dev-worker", timeout = 60, aliases = ["live"] }
    }
  }

  assert {
    condition     = join(" ", output.alarms) == "shop-dev-rollout-api shop-dev-rollout-users-blue shop-dev-rollout-users-green shop-dev-rollout-worker-live"
    error_message = "A rollout finds them by their prefix, in every profile."
  }

  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.rollout["users-green"].metric_query : one(query.metric[*].dimensions.Resource) if query.id != "failing"] == ["shop-dev-users:green", "shop-dev-users:green"]
    error_message = "A slot's calls are counted apart from the other's."
  }
}
