package doctor

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: a policy names the one resource that was refused, in the partition
// that the cluster uses. What is not known is a placeholder, which AWS refuses.

// allow shows the policy that the operator's role needs. Its name belongs to
// this one statement: put-role-policy replaces a policy of the same name.
func allow(in Input, action, resource string) fix {
	role := "ROLE"
	if _, after, found := strings.Cut(storeRole(in), ":role/"); found {
		role = name(after[strings.LastIndex(after, "/")+1:])
	}
	sum := sha256.Sum256([]byte(action + resource + in.App.Subject.Identity.Parameter))
	policy := fmt.Sprintf("envgraft-%s-%x", in.App.Subject.Identity.App, sum[:6])
	return fix{
		name: "allow",
		command: fmt.Sprintf(`aws iam put-role-policy --role-name %s --policy-name %s --policy-document `+
			`'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"%s","Resource":"%s"}]}'`, role, policy, action, resource),
		ask: "whoever manages the IAM role that the External Secrets Operator uses for " + in.StoreRef.String() + " to allow it " + action + " on " + resource,
	}
}

// allowRead allows reading the parameter.
func allowRead(in Input) fix {
	return allow(in, "ssm:GetParameter", arn(in, "ssm", "parameter"+in.App.Subject.Identity.Parameter))
}

// allowDecrypt allows the key of the parameter, whose id is not known here.
func allowDecrypt(in Input) fix { return allow(in, "kms:Decrypt", arn(in, "kms", "key/KEY_ID")) }

func arn(in Input, service, resource string) string {
	region := regionOf(in)
	partition, account := partitionOf(region), "ACCOUNT_ID"
	// arn:PARTITION:iam::ACCOUNT:role/NAME
	if parts := strings.Split(storeRole(in), ":"); len(parts) == 6 && parts[0] == "arn" {
		partition, account = name(parts[1]), name(parts[4])
	}
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", partition, service, region, account, resource)
}

func storeRole(in Input) string {
	if in.Store.State == clusterview.Found && in.Store.Value.Spec.Provider.AWS != nil {
		return in.Store.Value.Spec.Provider.AWS.Role
	}
	return ""
}

func regionOf(in Input) string {
	if in.Store.State == clusterview.Found && in.Store.Value.Spec.Provider.AWS != nil && in.Store.Value.Spec.Provider.AWS.Region != "" {
		return name(in.Store.Value.Spec.Provider.AWS.Region)
	}
	if region := in.Settings.Configuration.AWS.Region; region != "" {
		return region
	}
	return "REGION"
}

// partitionOf is the partition of a region, by the prefixes that AWS has, see
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html.
func partitionOf(region string) string {
	for prefix, partition := range map[string]string{
		"us-gov-": "aws-us-gov", "cn-": "aws-cn", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "eusc-": "aws-eusc",
	} {
		if strings.HasPrefix(region, prefix) {
			return partition
		}
	}
	return "aws"
}
