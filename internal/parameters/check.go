package parameters

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// Severity says what a finding does.
type Severity string

// The severities.
const (
	// SeverityError breaks an app, or gives its secrets away.
	SeverityError Severity = "error"
	// SeverityWarning may be what was meant.
	SeverityWarning Severity = "warning"
)

// Reason names a finding for machines.
type Reason string

// The reasons of findings.
const (
	ReasonNotFound    Reason = "NotFound"
	ReasonNotSecure   Reason = "NotSecureString"
	ReasonInvalidJSON Reason = "InvalidJSON"
	ReasonNotObject   Reason = "NotObject"
	ReasonEmpty       Reason = "Empty"
	ReasonDuplicate   Reason = "DuplicateKey"
	ReasonKeyName     Reason = "KeyName"
	ReasonDangerous   Reason = "DangerousKey"
	ReasonRenamed     Reason = "RenamedKey"
	ReasonNUL         Reason = "NULCharacter"
	ReasonNotString   Reason = "NotString"
	ReasonSize        Reason = "Size"
)

// NoKeys is what every command says of a parameter without keys, as the
// placeholder that init creates.
const NoKeys = "it has no keys yet: pods start without their Secret, and are restarted once it exists"

// Finding is something about a parameter that its owner should know.
type Finding struct {
	Severity Severity `json:"severity"`
	Reason   Reason   `json:"reason"`
	// Key is the key that it is about; empty where it is about the parameter.
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
}

// Checked is what Check found. It holds keys, and never values.
type Checked struct {
	Path string `json:"path"`
	// Unchecked says why nothing could be found out; empty where it could.
	Unchecked string `json:"unchecked,omitempty"`
	Type      string `json:"type,omitempty"`
	Tier      string `json:"tier,omitempty"`
	Version   int64  `json:"version,omitempty"`
	Keys      int    `json:"keys"`
	Bytes     int    `json:"bytes"`
	// Limit is the most bytes that the tier takes.
	Limit    int       `json:"limit,omitempty"`
	Findings []Finding `json:"findings"`
}

// Breaks says that a finding is more than a warning.
func (c *Checked) Breaks() bool {
	for _, f := range c.Findings {
		if f.Severity == SeverityError {
			return true
		}
	}
	return false
}

// Reader is what Check needs of SSM.
type Reader interface {
	GetParameter(ctx context.Context, in *ssm.GetParameterInput, options ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput, options ...func(*ssm.Options)) (*ssm.DescribeParametersOutput, error)
}

// Check reads a parameter and says what is wrong with it.
func Check(ctx context.Context, client Reader, path string) *Checked {
	c := &Checked{Path: path, Findings: []Finding{}}
	out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &path, WithDecryption: aws.Bool(true)})
	if err != nil {
		fault := facts.SSMFault(err)
		if fault.State != graft.ParameterNotFound {
			c.Unchecked = fmt.Sprintf("%s: %s", fault.State, fault.Cause)
			return c
		}
		c.add(SeverityError, ReasonNotFound, "", fmt.Sprintf(
			"it does not exist: put a JSON object into a file, and aws ssm put-parameter --type SecureString --name %s --value file://FILE", path))
		return c
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		c.Unchecked = "SSM answered without a value"
		return c
	}
	c.Type, c.Version = string(out.Parameter.Type), out.Parameter.Version
	if out.Parameter.Type != types.ParameterTypeSecureString {
		c.add(SeverityError, ReasonNotSecure, "", fmt.Sprintf(
			"it is a %s, which is kept in plain text, and SSM changes no types: read it into a file, delete it, and create a SecureString from the file", c.Type))
	}
	c.Tier = tierOf(ctx, client, path)
	value := []byte(*out.Parameter.Value)
	out.Parameter.Value = nil
	c.checkSize(len(value))
	c.checkValue(value)
	return c
}

// tierOf asks for the tier, which GetParameter does not tell. Where the right
// to ask is missing, it is not known.
func tierOf(ctx context.Context, client Reader, path string) string {
	out, err := client.DescribeParameters(ctx, &ssm.DescribeParametersInput{
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{path}}},
	})
	if err != nil || len(out.Parameters) == 0 {
		return ""
	}
	return string(out.Parameters[0].Tier)
}

func (c *Checked) add(severity Severity, reason Reason, key, message string) {
	c.Findings = append(c.Findings, Finding{Severity: severity, Reason: reason, Key: key, Message: message})
}
