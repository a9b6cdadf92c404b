mock_provider "aws" {}

run "a_bucket_is_private_and_tells_eventbridge" {
  command = plan

  variables {
    name = "shop-dev-photos-111111111111"
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "Nothing in it is public."
  }

  assert {
    condition     = aws_s3_bucket_notification.this.eventbridge && !aws_s3_bucket.this.force_destroy
    error_message = "Services listen through EventBridge; content is not destroyed along."
  }
}
