# The role that envgraft's ServiceAccount gets by EKS Pod Identity. It reads the
# parameters of one environment.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

variable "cluster_name" { type = string }
variable "environment" { type = string }
variable "kms_key_arn" { type = string }

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "read" {
  statement {
    actions = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = [
      "arn:${data.aws_partition.current.partition}:ssm:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:parameter/*/*/${var.environment}/app",
    ]
  }
  statement {
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }
}

resource "aws_iam_role" "envgraft" {
  name               = "envgraft-${var.cluster_name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "envgraft" {
  name   = "read-parameters"
  role   = aws_iam_role.envgraft.id
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_eks_pod_identity_association" "envgraft" {
  cluster_name    = var.cluster_name
  namespace       = "envgraft-system"
  service_account = "envgraft"
  role_arn        = aws_iam_role.envgraft.arn
}
