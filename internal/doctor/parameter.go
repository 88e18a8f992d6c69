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
	if f, stop := noSecret(in); stop {
		return f
	}
	if in.Parameter != nil {
		return checkedParameter(in, in.Parameter)
	}
	if f, found := complaint(in); found {
		return f
	}
	id := in.App.Subject.Identity
	if e := in.App.ExternalSecret; e != nil && !e.MadeByEnvgraft() && e.Parameter() != id.Parameter {
		return unneeded("the ExternalSecret is somebody's own, and reads what it says")
	}
	if record, found := in.App.Record(); found {
		switch {
		case !record.Known():
			return recordedState(in, record.State)
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

// recordedState is for a parameter that envgraft read, or tried to, and that has no
// keys for it. The operator's rights may be others than envgraft's.
func recordedState(in Input, state graft.ParameterState) Finding {
	path := in.App.Subject.Identity.Parameter
	switch state { //nolint:exhaustive // no other is recorded
	case graft.ParameterNotFound:
		return noParameter(in, path)
	case graft.ParameterNotObject, graft.ParameterInvalidJSON:
		return broken(editParameter(in), "parameter %s holds no JSON object", path)
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
func complaint(in Input) (Finding, bool) {
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
		return missingParameter(in, path), true
	case has("unmarshal", "invalid character"):
		return broken(editParameter(in), "parameter %s holds no JSON object", path), true
	case has("kms"):
		return broken(allowDecrypt(in), "KMS does not let the External Secrets Operator decrypt %s", path), true
	case has("accessdenied", "not authorized", "unrecognizedclient", "invalidclienttoken", "expiredtoken", "invalidsignature"):
		return broken(allowRead(in), "AWS does not let the External Secrets Operator read %s", path), true
	case has("throttl", "rate exceeded"):
		return broken(forceSync(in), "SSM throttles the External Secrets Operator, which tries again"), true
	}
	return Finding{}, false
}

// missingParameter knows a parameter that was created since: the operator waits
// up to 7 minutes before it tries again.
func missingParameter(in Input, path string) Finding {
	if record, found := in.App.Record(); found && record.Version > 0 && record.AsOf.After(in.Complaint.At) {
		return broken(forceSync(in), "parameter %s exists since %s, and the External Secrets Operator has not tried again since", path, stamp(record.AsOf))
	}
	return noParameter(in, path)
}

// noParameter is for a parameter that does not exist.
func noParameter(in Input, path string) Finding {
	if in.runsWithout() {
		return withoutSecret(in)
	}
	return broken(editParameter(in), "parameter %s does not exist", path)
}

func checkedParameter(in Input, c *parameters.Checked) Finding {
	if c.Unchecked != "" {
		return unseen("with your AWS credentials: " + c.Unchecked)
	}
	for _, f := range c.Findings {
		switch {
		case f.Severity != parameters.SeverityError:
		case f.Reason == parameters.ReasonNotFound:
			return noParameter(in, c.Path)
		case f.Reason == parameters.ReasonNotSecure:
			return broken(encryptParameter(in), "%s: %s", c.Path, f.Message)
		default:
			return broken(editParameter(in), "%s: %s", c.Path, f.Message)
		}
	}
	for _, f := range c.Findings {
		return warn("%s: %s", c.Path, f.Message)
	}
	return ok("version %d of %s has %d keys", c.Version, c.Path, c.Keys)
}
