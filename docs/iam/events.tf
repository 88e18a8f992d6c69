# Parameter Store's change events for envgraft: a rule, a queue with its dead-letter
# queue, and the right to read it for envgraft's role.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

variable "role_name" { type = string }

resource "aws_cloudwatch_event_rule" "parameters" {
  name = "envgraft-parameters"
  event_pattern = jsonencode({
    source        = ["aws.ssm"]
    "detail-type" = ["Parameter Store Change"]
    detail        = { operation = ["Create", "Update", "Delete"] }
  })
}

resource "aws_sqs_queue" "dead" {
  name                      = "envgraft-dead"
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "events" {
  name                       = "envgraft"
  message_retention_seconds  = 86400
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 5
  })
}

data "aws_iam_policy_document" "send" {
  statement {
    actions = ["sqs:SendMessage"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    resources = [aws_sqs_queue.events.arn]
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.parameters.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.url
  policy    = data.aws_iam_policy_document.send.json
}

resource "aws_cloudwatch_event_target" "events" {
  rule = aws_cloudwatch_event_rule.parameters.name
  arn  = aws_sqs_queue.events.arn
}

data "aws_iam_policy_document" "receive" {
  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.events.arn]
  }
}

resource "aws_iam_role_policy" "receive" {
  name   = "receive-parameter-events"
  role   = var.role_name
  policy = data.aws_iam_policy_document.receive.json
}
