mock_provider "aws" {
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:111111111111:q" }
  }
}

run "a_plain_queue_is_alone" {
  command = plan

  variables {
    name = "shop-dev-outbox"
  }

  assert {
    condition     = length(aws_sqs_queue.dead) == 0 && output.dead_letter_name == null && aws_sqs_queue.this.sqs_managed_sse_enabled
    error_message = "No dead-letter queue unless asked; encrypted always."
  }
}

run "a_fifo_queue_has_a_fifo_dead_letter_queue" {
  variables {
    name              = "shop-dev-outbox.fifo"
    fifo              = true
    dead_letter_after = 5
  }

  assert {
    condition     = output.dead_letter_name == "shop-dev-outbox-dead.fifo" && jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5
    error_message = "Messages that fail five times go to a queue of the same kind."
  }
}
