locals {
  dead_name = var.fifo ? "${trimsuffix(var.name, ".fifo")}-dead.fifo" : "${var.name}-dead"
}

resource "aws_sqs_queue" "this" {
  name                        = var.name
  fifo_queue                  = var.fifo
  content_based_deduplication = var.fifo
  visibility_timeout_seconds  = var.visibility_seconds
  sqs_managed_sse_enabled     = true
  tags                        = var.tags

  redrive_policy = var.dead_letter_after == null ? null : jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[0].arn
    maxReceiveCount     = var.dead_letter_after
  })
}

resource "aws_sqs_queue" "dead" {
  count = var.dead_letter_after == null ? 0 : 1

  name                        = local.dead_name
  fifo_queue                  = var.fifo
  content_based_deduplication = var.fifo
  message_retention_seconds   = 14 * 24 * 3600 # the longest there is: somebody has to look at these
  sqs_managed_sse_enabled     = true
  tags                        = var.tags
}
