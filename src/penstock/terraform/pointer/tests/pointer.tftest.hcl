mock_provider "aws" {}

variables {
  prefix = "/penstock/shop/dev/"
}

run "before_the_first_deploy_blue_is_live" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = { names = [], values = [] }
  }

  assert {
    condition     = output.live == "blue" && output.idle == "green" && output.deployment_id == null
    error_message = "An environment without a pointer begins with blue."
  }

  assert {
    condition = aws_ssm_parameter.pointer.insecure_value == jsonencode({
      candidate = null, deployments = { blue = null, green = null }, live = "blue", releases = { blue = null, green = null }
    })
    error_message = "The pointer is written as the release engine writes it: keys sorted, no spaces."
  }
}

run "without_a_slot_the_text_goes_back_byte_for_byte" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = {
      names  = ["/penstock/shop/dev/pointer"]
      values = ["{ \"live\": \"green\", \"candidate\": \"blue\", \"deployments\": {\"blue\": \"b1\", \"green\": \"g1\"}, \"releases\": {\"blue\": \"r2\", \"green\": \"r1\"} }"]
    }
  }

  assert {
    condition     = startswith(aws_ssm_parameter.pointer.insecure_value, "{ \"live\": \"green\"")
    error_message = "Another writer's formatting is no difference."
  }

  assert {
    condition     = output.live == "green" && output.deployment_id == "g1"
    error_message = "The stage gets the slot and the deployment of the pointer."
  }
}

run "staging_leaves_traffic_alone" {
  command = plan

  variables {
    slot = "staging"
  }

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = {
      names  = ["/penstock/shop/dev/pointer"]
      values = ["{\"candidate\":\"green\",\"deployments\":{\"blue\":\"b1\",\"green\":\"g1\"},\"live\":\"blue\",\"releases\":{\"blue\":\"r1\",\"green\":\"r2\"}}"]
    }
  }

  assert {
    condition     = output.live == "blue" && jsondecode(aws_ssm_parameter.pointer.insecure_value).candidate == "green"
    error_message = "-var slot=staging moves nothing."
  }
}

run "production_makes_the_candidate_live_and_takes_its_deployment_along" {
  command = plan

  variables {
    slot = "production"
  }

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = {
      names  = ["/penstock/shop/dev/pointer"]
      values = ["{\"candidate\":\"green\",\"deployments\":{\"blue\":\"b1\",\"green\":\"g1\"},\"live\":\"blue\",\"releases\":{\"blue\":\"r1\",\"green\":\"r2\"}}"]
    }
  }

  assert {
    condition     = output.live == "green" && output.idle == "blue" && output.deployment_id == "g1"
    error_message = "The candidate becomes live."
  }

  assert {
    condition = aws_ssm_parameter.pointer.insecure_value == jsonencode({
      candidate = null, deployments = { blue = "b1", green = "g1" }, live = "green", releases = { blue = "r1", green = "r2" }
    })
    error_message = "The pointer says so, and no candidate waits any more."
  }

  # It says that queues, streams and direct callers do not follow.
  expect_failures = [check.live_aliases_stay]
}

run "production_without_a_candidate_does_nothing" {
  command = plan

  variables {
    slot = "production"
  }

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = {
      names  = ["/penstock/shop/dev/pointer"]
      values = ["{\"candidate\":null,\"deployments\":{\"blue\":\"b1\",\"green\":\"g1\"},\"live\":\"green\",\"releases\":{\"blue\":\"r1\",\"green\":\"r2\"}}"]
    }
  }

  assert {
    condition     = output.live == "green" && strcontains(aws_ssm_parameter.pointer.insecure_value, "\"live\":\"green\"")
    error_message = "Applying twice is safe."
  }
}

run "production_is_refused_while_a_rollout_is_under_way" {
  command = plan

  variables {
    slot = "production"
  }

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = {
      names  = ["/penstock/shop/dev/pointer", "/penstock/shop/dev/rollout"]
      values = ["{\"candidate\":\"green\",\"deployments\":{\"blue\":\"b1\",\"green\":\"g1\"},\"live\":\"blue\",\"releases\":{\"blue\":\"r1\",\"green\":\"r2\"}}", "{}"]
    }
  }

  expect_failures = [aws_ssm_parameter.pointer, check.live_aliases_stay]
}

run "what_is_retained_comes_from_the_parameter" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = {
      names  = ["/penstock/shop/dev/retained"]
      values = ["{\"users\":[{\"Effect\":\"Allow\"}]}"]
    }
  }

  assert {
    condition     = output.retained.users[0].Effect == "Allow"
    error_message = "Whoever runs Terraform adds what the live release still needs."
  }
}

run "a_plan_of_the_engine_says_what_will_be_retained" {
  command = plan

  variables {
    retained = "{}"
  }

  override_data {
    target = data.aws_ssm_parameters_by_path.environment
    values = {
      names  = ["/penstock/shop/dev/retained"]
      values = ["{\"users\":[{\"Effect\":\"Allow\"}]}"]
    }
  }

  assert {
    condition     = length(output.retained) == 0
    error_message = "The parameter is written only when the plan is admitted."
  }
}

run "another_slot_is_refused" {
  command = plan

  variables {
    slot = "purple"
  }

  expect_failures = [var.slot]
}
