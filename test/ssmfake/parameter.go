package ssmfake

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	typeSecureString = "SecureString"
	defaultKeyID     = "alias/aws/ssm"

	tierStandard    = "Standard"
	tierAdvanced    = "Advanced"
	tierIntelligent = "Intelligent-Tiering"

	standardBytes = 4 * 1024
	advancedBytes = 8 * 1024
)

// parameter is one name with all of its versions, oldest first.
type parameter struct {
	name, kind, keyID, tier, description string
	versions                             []version
	tags                                 map[string]string
}

type version struct {
	value    string
	modified time.Time
}

// add stores a new version and returns its number, which starts at 1.
func (p *parameter) add(value string) int64 {
	p.versions = append(p.versions, version{value: value, modified: time.Now()})
	return p.latest()
}

func (p *parameter) latest() int64 { return int64(len(p.versions)) }

func (p *parameter) arn() string { return arnOf(p.name) }

func arnOf(name string) string {
	return fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/%s", Region, Account, strings.TrimPrefix(name, "/"))
}

// read is the wire form of one version. Without decryption a SecureString is
// what KMS made of it.
func (p *parameter) read(number int64, decrypt bool) map[string]any {
	v := p.versions[number-1]
	value := v.value
	if p.kind == typeSecureString && !decrypt {
		value = "AQICAH" + base64.StdEncoding.EncodeToString([]byte(v.modified.String()))
	}
	return map[string]any{
		"ARN": p.arn(), "DataType": "text", "LastModifiedDate": epoch(v.modified),
		"Name": p.name, "Type": p.kind, "Value": value, "Version": number,
	}
}

// describe is the wire form of the parameter's metadata.
func (p *parameter) describe() map[string]any {
	m := map[string]any{
		"ARN": p.arn(), "DataType": "text", "LastModifiedDate": epoch(p.versions[p.latest()-1].modified),
		"Name": p.name, "Tier": p.tier, "Type": p.kind, "Version": p.latest(),
	}
	if p.keyID != "" {
		m["KeyId"] = p.keyID
	}
	if p.description != "" {
		m["Description"] = p.description
	}
	return m
}

// splitSelector parts "name:3" into its name and its version or label.
func splitSelector(name string) (string, string) {
	name, selector, _ := strings.Cut(name, ":")
	return name, selector
}

// get returns a parameter and the version that a name asks for.
func (f *Fake) get(nameAndSelector string) (*parameter, int64, error) {
	name, selector := splitSelector(nameAndSelector)
	p := f.parameters[name]
	if p == nil {
		return nil, 0, apiError{"ParameterNotFound", ""}
	}
	if selector == "" {
		return p, p.latest(), nil
	}
	number, err := strconv.ParseInt(selector, 10, 64)
	if err != nil || number < 1 || number > p.latest() {
		return nil, 0, apiError{"ParameterVersionNotFound", fmt.Sprintf(
			"Systems Manager could not find version %s of %s. Verify the version and try again.", selector, name)}
	}
	return p, number, nil
}

// validName is what PutParameter says of the characters of a name.
var validName = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)

// checkName refuses the names that PutParameter refuses, see
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html.
func checkName(name string) error {
	levels := strings.Split(strings.TrimPrefix(name, "/"), "/")
	first := strings.ToLower(levels[0])
	switch {
	case !validName.MatchString(name):
		return invalid("Parameter name must contain only letters, numbers and the symbols .-_/")
	case strings.Contains(name[1:], "/") && !strings.HasPrefix(name, "/"):
		return invalid("Parameter name must be a fully qualified name.")
	case strings.HasPrefix(first, "aws"), strings.HasPrefix(first, "ssm"):
		return invalid(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`)
	case strings.HasSuffix(name, "/"), strings.Contains(name, "//"):
		return invalid("Parameter name must not have an empty level.")
	case len(levels) > 15:
		return apiError{"HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels."}
	case len(arnOf(name)) > 1011:
		return invalid("Parameter name is too long: its ARN has more than 1011 characters.")
	}
	return nil
}

// checkValue refuses values that do not fit, and returns the tier to store in.
func checkValue(value, tier string) (string, error) {
	if value == "" {
		return "", invalid("Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.")
	}
	if tier == tierIntelligent {
		tier = tierStandard
		if len(value) > standardBytes {
			tier = tierAdvanced
		}
	}
	limit := standardBytes
	if tier == tierAdvanced {
		limit = advancedBytes
	}
	if len(value) > limit {
		return "", invalid(fmt.Sprintf("%s tier parameters support a maximum parameter value of %d characters.", tier, limit))
	}
	return tier, nil
}
