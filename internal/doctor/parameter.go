package doctor

import (
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/parameters"
)

// The rule: the parameter exists, is a SecureString that holds a JSON object
// with keys, and ESO may read it. With --aws the asker's own credentials look;
// without, ESO's complaint tells, and the keys that envgraft recorded.

func checkParameter(p Patient) Finding {
	if !p.needsSecret() {
		return noSecret()
	}
	if p.Parameter != nil {
		return p.checkedParameter(p.Parameter)
	}
	if f, found := p.complaint(); found {
		return f
	}
	id := p.App.Subject.Identity
	if e := p.App.ExternalSecret; e != nil && !e.Ours() && e.Parameter() != id.Parameter {
		return unneeded("the ExternalSecret is somebody's own, and reads what it says")
	}
	if record, found := p.App.Record(); found {
		return ok("version %d of %s has %d keys", record.Version, id.Parameter, len(record.Keys))
	}
	if e := p.App.ExternalSecret; e != nil && e.Synced() {
		return ok("%s was read by the External Secrets Operator", id.Parameter)
	}
	return unseen("nothing tells of " + id.Parameter + ": --aws looks with your AWS credentials")
}

// complaint sorts what ESO says. Its words are not handed on where they could
// quote a value: those of a JSON decoder do.
func (p Patient) complaint() (Finding, bool) {
	path, text := p.App.Subject.Identity.Parameter, strings.ToLower(p.Complaint)
	if e := p.App.ExternalSecret; e == nil || e.Synced() || text == "" {
		return Finding{}, false
	}
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
		return false
	}
	switch {
	case has("secret does not exist", "parameternotfound"):
		return broken(p.putParameter(), "parameter %s does not exist", path), true
	case has("unmarshal", "invalid character"):
		return broken(p.putParameter()+" --overwrite", "parameter %s holds no JSON object", path), true
	case has("kms"):
		return broken(p.allow("kms:Decrypt"), "KMS does not let the External Secrets Operator decrypt %s", path), true
	case has("accessdenied", "not authorized", "unrecognizedclient", "invalidclienttoken", "expiredtoken"):
		return broken(p.allow("ssm:GetParameter"), "AWS does not let the External Secrets Operator read %s", path), true
	case has("throttl", "rate exceeded"):
		return broken(p.forceSync(), "SSM throttles the External Secrets Operator, which tries again"), true
	}
	return Finding{}, false
}

func (p Patient) checkedParameter(c *parameters.Checked) Finding {
	if c.Unchecked != "" {
		return unseen("with your AWS credentials: " + c.Unchecked)
	}
	for _, f := range c.Findings {
		if f.Severity == parameters.SeverityError {
			fix := p.putParameter()
			if f.Reason != parameters.ReasonNotFound {
				fix += " --overwrite"
			}
			return broken(fix, "%s: %s", c.Path, f.Message)
		}
	}
	return ok("version %d of %s has %d keys", c.Version, c.Path, c.Keys)
}

// putParameter creates a parameter; the value is a person's to fill in.
func (p Patient) putParameter() string {
	return fmt.Sprintf(`aws ssm put-parameter --type SecureString --name %s --value '{"KEY":"value"}'`, p.App.Subject.Identity.Parameter)
}

// allow shows the policy that the operator's role needs: roles have no name here.
func (p Patient) allow(action string) string {
	return fmt.Sprintf(`aws iam put-role-policy --role-name ROLE --policy-name envgraft --policy-document `+
		`'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"%s","Resource":"*"}]}'`, action)
}
