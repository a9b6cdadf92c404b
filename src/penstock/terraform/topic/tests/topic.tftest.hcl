mock_provider "aws" {}

run "a_topic_bears_its_name" {
  command = plan

  variables {
    name = "shop-dev-births"
  }

  assert {
    condition     = aws_sns_topic.this.name == "shop-dev-births"
    error_message = "The topic has the name that grants and subscriptions are built from."
  }
}
