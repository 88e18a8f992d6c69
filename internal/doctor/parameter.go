package doctor

import (
	"strings"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/parameters"
)

// The rule: the parameter exists, is a SecureString that holds a JSON object
// with keys, and ESO may read it. With --aws the reader's own credentials look;
// without, ESO's complaint and the keys that envgraft recorded tell.

func checkParameter(in Input) Finding {
	if f, stop := in.noSecret(); stop {
		return f
	}
	if in.Parameter != nil {
		return in.checkedParameter(in.Parameter)
	}
	if f, found := in.complaint(); found {
		return f
	}
	id := in.App.Subject.Identity
	if e := in.App.ExternalSecret; e != nil && !e.MadeByEnvgraft() && e.Parameter() != id.Parameter {
		return unneeded("the ExternalSecret is somebody's own, and reads what it says")
	}
	if record, found := in.App.Record(); found {
		switch {
		case !record.Known():
			return in.recorded(record.State)
		case len(record.Keys) == 0:
			return noKeys(id.Parameter)
		}
		return ok("version %d of %s has %d keys", record.Version, id.Parameter, len(record.Keys))
	}
	if e := in.App.ExternalSecret; e != nil && e.SecretExists() {
		return ok("%s was read by the External Secrets Operator", id.Parameter)
	}
	return unseen("nothing is known of " + id.Parameter + ": --aws looks with your AWS credentials")
}

// recorded is for a parameter that envgraft read, or tried to, and that has no
// keys for it. The operator's rights may be others than envgraft's.
func (in Input) recorded(state graft.ParameterState) Finding {
	path := in.App.Subject.Identity.Parameter
	switch state { //nolint:exhaustive // no other is recorded
	case graft.ParameterNotFound:
		return in.noParameter(path)
	case graft.ParameterNotObject, graft.ParameterInvalidJSON:
		return broken(in.editParameter(), "parameter %s holds no JSON object", path)
	}
	return warn("envgraft may not read %s, so literals that shadow its keys are not bound to them", path)
}

// noKeys is the placeholder of envgraft parameters init, in the words of
// envgraft parameters check: a warning there, and so here.
func noKeys(path string) Finding {
	return warn("%s: %s", path, parameters.NoKeys)
}

// complaint sorts what ESO says. Its words are not handed on where they could
// quote a value: those of a JSON decoder do.
func (in Input) complaint() (Finding, bool) {
	path, text := in.App.Subject.Identity.Parameter, strings.ToLower(in.Complaint.Text)
	if e := in.App.ExternalSecret; e == nil || e.SecretExists() || text == "" {
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
	case has("signature expired", "not yet current", "requestexpired", "requesttimetooskewed"):
		return broken(ask("whoever runs the nodes to synchronize the clock of the node that the External Secrets Operator runs on"),
			"AWS refuses the External Secrets Operator's requests for the time they were signed at: the clock of its node is wrong"), true
	case has("secret does not exist", "parameternotfound"):
		return in.missingParameter(path), true
	case has("unmarshal", "invalid character"):
		return broken(in.editParameter(), "parameter %s holds no JSON object", path), true
	case has("kms"):
		return broken(in.allowDecrypt(), "KMS does not let the External Secrets Operator decrypt %s", path), true
	case has("accessdenied", "not authorized", "unrecognizedclient", "invalidclienttoken", "expiredtoken", "invalidsignature"):
		return broken(in.allowRead(), "AWS does not let the External Secrets Operator read %s", path), true
	case has("throttl", "rate exceeded"):
		return broken(in.forceSync(), "SSM throttles the External Secrets Operator, which tries again"), true
	}
	return Finding{}, false
}

// missingParameter knows a parameter that was created since: the operator waits
// up to 7 minutes before it tries again.
func (in Input) missingParameter(path string) Finding {
	if record, found := in.App.Record(); found && record.Version > 0 && record.AsOf.After(in.Complaint.At) {
		return broken(in.forceSync(), "parameter %s exists since %s, and the External Secrets Operator has not tried again since", path, stamp(record.AsOf))
	}
	return in.noParameter(path)
}

// noParameter is for a parameter that does not exist.
func (in Input) noParameter(path string) Finding {
	if in.runsWithout() {
		return in.without()
	}
	return broken(in.editParameter(), "parameter %s does not exist", path)
}

func (in Input) checkedParameter(c *parameters.Checked) Finding {
	if c.Unchecked != "" {
		return unseen("with your AWS credentials: " + c.Unchecked)
	}
	for _, f := range c.Findings {
		switch {
		case f.Severity != parameters.SeverityError:
		case f.Reason == parameters.ReasonNotFound:
			return in.noParameter(c.Path)
		case f.Reason == parameters.ReasonNotSecure:
			return broken(in.encryptParameter(), "%s: %s", c.Path, f.Message)
		default:
			return broken(in.editParameter(), "%s: %s", c.Path, f.Message)
		}
	}
	for _, f := range c.Findings {
		return warn("%s: %s", c.Path, f.Message)
	}
	return ok("version %d of %s has %d keys", c.Version, c.Path, c.Keys)
}
