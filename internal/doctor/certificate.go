package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: the API server trusts envgraft's certificate: each webhook has a CA
// that is valid now, and the API server itself raises no objection.

func checkCertificate(in Input) Finding {
	if in.App != nil {
		if r := refusalOf(in); r.ours && (strings.Contains(r.text, "x509:") || strings.Contains(r.text, "tls:")) {
			return broken(restartServer(in), "the API server does not trust the webhook's certificate: %s", r.text)
		}
	}
	if in.Webhooks.State != clusterview.Found {
		if in.Admission.State == clusterview.Found {
			return ok("the API server trusts it")
		}
		return unseen(in.Webhooks.Cause)
	}
	for _, w := range in.Webhooks.Value.Webhooks {
		if why := invalidBundle(w.ClientConfig.CABundle, in.Now); why != "" {
			return broken(restartServer(in), "webhook %s of the MutatingWebhookConfiguration %s", w.Name, why)
		}
	}
	return ok("the CA is valid")
}

// invalidBundle says what is wrong with a CA bundle. One valid CA is enough.
func invalidBundle(bundle []byte, now time.Time) string {
	if len(bundle) == 0 {
		return "has no CA"
	}
	why := "has a CA that is no certificate"
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
		case now.After(certificate.NotAfter):
			why = "has a CA that expired on " + certificate.NotAfter.UTC().Format(time.DateOnly)
		case now.Before(certificate.NotBefore):
			why = "has a CA that is not valid before " + certificate.NotBefore.UTC().Format(time.DateOnly)
		default:
			return ""
		}
	}
	return why
}
