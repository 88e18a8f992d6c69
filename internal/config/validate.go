package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/reload"
	"github.com/envgraft/envgraft/internal/restarts"
)

// Mode says where a configuration is used.
type Mode string

// The modes.
const (
	// ModeCluster is a server in a cluster. It must be told its environment: a
	// guess would hand one environment's secrets to another's pods.
	ModeCluster Mode = "cluster"
	// ModeLocal is a command on a developer's machine. Where no environment is
	// set, Validate fills in api.DefaultEnvironment.
	ModeLocal Mode = "local"
)

// maxAdmissionTimeout is the longest that an API server waits for a webhook.
const maxAdmissionTimeout = 30 * time.Second

// Validate returns everything that is wrong with the configuration, a line for
// each field, with its path, its value and what is accepted. In ModeLocal it
// first fills in the environment.
func (c *Configuration) Validate(mode Mode) error {
	if mode == ModeLocal && c.Environment == "" {
		c.Environment = api.DefaultEnvironment
	}
	var all field.ErrorList
	all = append(all, c.validateIdentity()...)
	all = append(all, c.validatePolicies()...)
	all = append(all, c.Names.validate(field.NewPath("names"))...)
	all = append(all, c.Facts.validate(field.NewPath("facts"))...)
	all = append(all, c.AWS.validate(field.NewPath("aws"))...)
	all = append(all, c.ExternalSecrets.validate(field.NewPath("externalSecrets"))...)
	all = append(all, c.ExternalSecrets.checkBinding(field.NewPath("externalSecrets", "secretStore"),
		c.ExternalSecretFor(c.Environment).SecretStore, c.Environment)...)
	all = append(all, c.Events.validate(field.NewPath("events"))...)
	all = append(all, positive(field.NewPath("restarts", "minInterval"), c.Restarts.MinInterval)...)
	all = append(all, oneOf(field.NewPath("restarts", "repair"), c.Restarts.Repair, RepairEvent, RepairRestart)...)
	all = append(all, c.Server.validate(field.NewPath("server"))...)

	errs := make([]error, len(all))
	for i, err := range all {
		errs[i] = err
	}
	return errors.Join(errs...)
}

func (c *Configuration) validateIdentity() field.ErrorList {
	all := oneOf(field.NewPath("tenancy", "mode"), c.Tenancy.Mode, identity.TenancyNamespace, identity.TenancyOpen)
	all = append(all, labels(field.NewPath("excludedNamespaces"), c.ExcludedNamespaces)...)
	path := field.NewPath("environment")
	if c.Environment == "" {
		return append(all, field.Required(path,
			`a server in a cluster must know the environment of pods that name none, as in "stage"`))
	}
	return append(all, labelValue(path, c.Environment)...)
}

func (c *Configuration) validatePolicies() field.ErrorList {
	all := oneOf(field.NewPath("missingParameter"), c.MissingParameter, graft.MissingAuto, graft.MissingWait, graft.MissingDeny)
	all = append(all, oneOf(field.NewPath("invalidParameter"), c.InvalidParameter, graft.InvalidDeny, graft.InvalidWarn)...)
	all = append(all, oneOf(field.NewPath("unknownParameter"), c.UnknownParameter, graft.UnknownAdmit, graft.UnknownDeny)...)
	if c.Facts.KeySource == KeySourceSecret && c.MissingParameter == graft.MissingDeny {
		all = append(all, field.Invalid(field.NewPath("missingParameter"), string(c.MissingParameter), fmt.Sprintf(
			"must be %q or %q while facts.keySource is %q: an app's first pod would be refused until its Secret exists, which is made for an app that has pods",
			graft.MissingAuto, graft.MissingWait, c.Facts.KeySource)))
	}
	all = append(all, oneOf(field.NewPath("reload", "rolloutStrategy"), c.Reload.RolloutStrategy, reload.StrategyRestart, reload.StrategyRollout)...)
	all = append(all, c.Restarts.validate(field.NewPath("restarts"))...)
	return append(all, containerNames(field.NewPath("skipContainers"), c.SkipContainers)...)
}

// queueURL is the form of SQS' URLs. Any host may stand for a VPC endpoint.
var queueURL = regexp.MustCompile(`^https?://[^/\s]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$`)

// roleARN is the form of an IAM role's ARN.
var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+$`)

func (e Events) validate(path *field.Path) field.ErrorList {
	all := positive(path.Child("fallbackInterval"), e.FallbackInterval)
	seen := map[string]bool{}
	for i, queue := range e.Queues {
		at := path.Child("queues").Index(i)
		switch {
		case !queueURL.MatchString(queue.URL):
			all = append(all, field.Invalid(at.Child("url"), queue.URL,
				`must be the URL of an SQS queue, as in "https://sqs.eu-central-1.amazonaws.com/123456789012/envgraft"`))
		case seen[queue.URL]:
			all = append(all, field.Duplicate(at.Child("url"), queue.URL))
		}
		seen[queue.URL] = true
		if queue.Role != "" && !roleARN.MatchString(queue.Role) {
			all = append(all, field.Invalid(at.Child("role"), queue.Role, `must be the ARN of a role, as in "arn:aws:iam::123456789012:role/envgraft"`))
		}
		if queue.ExternalID != "" && queue.Role == "" {
			all = append(all, field.Required(at.Child("role"), "externalID is for a role"))
		}
	}
	return all
}

func (r Restarts) validate(path *field.Path) field.ErrorList {
	all := positive(path.Child("readyTimeout"), r.ReadyTimeout)
	if r.MaxConcurrent < 1 {
		all = append(all, field.Invalid(path.Child("maxConcurrent"), r.MaxConcurrent, "must be at least 1"))
	}
	for i, text := range r.Windows {
		if _, err := restarts.ParseSpan(text); err != nil {
			all = append(all, field.Invalid(path.Child("windows").Index(i), text, err.Error()))
		}
	}
	return all
}

// Queue is how restarts wait for each other. Validate has held the windows to
// their form.
func (r Restarts) Queue() restarts.Options {
	options := restarts.Options{MaxConcurrent: r.MaxConcurrent, ReadyTimeout: r.ReadyTimeout}
	for _, text := range r.Windows {
		if span, err := restarts.ParseSpan(text); err == nil {
			options.Windows = append(options.Windows, span)
		}
	}
	return options
}

func (n Names) validate(path *field.Path) field.ErrorList {
	var all field.ErrorList
	defaults := identity.DefaultNames()
	for _, name := range []struct {
		field string
		value string
		check func(identity.Template) error
		// into puts the template among the default ones.
		into func(*identity.Names) *identity.Template
	}{
		{"parameter", n.Parameter, identity.Template.ValidateParameter, func(n *identity.Names) *identity.Template { return &n.Parameter }},
		{"configMap", n.ConfigMap, identity.Template.ValidateObjectName, func(n *identity.Names) *identity.Template { return &n.ConfigMap }},
		{"secret", n.Secret, identity.Template.ValidateObjectName, func(n *identity.Names) *identity.Template { return &n.Secret }},
		{"externalSecret", n.ExternalSecret, identity.Template.ValidateObjectName, func(n *identity.Names) *identity.Template { return &n.ExternalSecret }},
	} {
		template := identity.Template(name.value)
		err := name.check(template)
		if err == nil {
			names := defaults
			*name.into(&names) = template
			err = tryNames(names)
		}
		if err != nil {
			all = append(all, field.Invalid(path.Child(name.field), name.value, err.Error()))
		}
	}
	return all
}

// tryNames names an app with the most harmless of labels. What is wrong with
// the outcome is the template's fault, and would deny every pod.
func tryNames(names identity.Names) error {
	rules := identity.Rules{Tenancy: identity.TenancyOpen, Environment: "stage", Names: names}
	_, err := rules.Resolve(identity.Namespace{Name: "system"}, identity.Pod{Labels: map[string]string{api.LabelApp: "app"}})
	return err
}

func (f Facts) validate(path *field.Path) field.ErrorList {
	all := oneOf(path.Child("keySource"), f.KeySource, KeySourceSSM, KeySourceSecret, KeySourceNone)
	all = append(all, ttl(path.Child("parameterTTL"), f.ParameterTTL)...)
	all = append(all, ttl(path.Child("negativeTTL"), f.NegativeTTL)...)
	all = append(all, ttl(path.Child("configMapTTL"), f.ConfigMapTTL)...)
	all = append(all, positive(path.Child("admissionTimeout"), f.AdmissionTimeout)...)
	if f.AdmissionTimeout > maxAdmissionTimeout {
		all = append(all, field.Invalid(path.Child("admissionTimeout"), f.AdmissionTimeout.String(),
			fmt.Sprintf("must be at most %s, the longest that an API server waits, and should be well below the webhook's timeoutSeconds", maxAdmissionTimeout)))
	}
	if !(f.CallsPerSecond > 0) || math.IsInf(f.CallsPerSecond, 0) { // not "<= 0": that is false for NaN
		all = append(all, field.Invalid(path.Child("callsPerSecond"), fmt.Sprint(f.CallsPerSecond), "must be a number greater than 0"))
	}
	if f.Burst < 1 {
		all = append(all, field.Invalid(path.Child("burst"), f.Burst, "must be at least 1"))
	}
	return all
}

// region is the form of AWS' regions, as us-east-1 or us-gov-west-1.
var region = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+$`)

func (a AWS) validate(path *field.Path) field.ErrorList {
	var all field.ErrorList
	for i, store := range a.SameAccountStores {
		all = append(all, invalid(path.Child("sameAccountStores").Index(i), store, validation.IsDNS1123Subdomain(store))...)
	}
	if a.Region != "" && !region.MatchString(a.Region) {
		all = append(all, field.Invalid(path.Child("region"), a.Region, `must be an AWS region, as in "eu-central-1"`))
	}
	if a.SSMEndpoint == "" {
		return all
	}
	endpoint, err := url.Parse(a.SSMEndpoint)
	if err != nil || (endpoint.Scheme != "https" && endpoint.Scheme != "http") || endpoint.Host == "" {
		all = append(all, field.Invalid(path.Child("ssmEndpoint"), a.SSMEndpoint,
			`must be a URL, as in "https://vpce-0123.ssm.eu-central-1.vpce.amazonaws.com"`))
	}
	return all
}

func (s Server) validate(path *field.Path) field.ErrorList {
	var all field.ErrorList
	taken := map[string]string{}
	for _, address := range []struct{ field, value string }{
		{"listen", s.Listen}, {"metricsListen", s.MetricsListen}, {"healthListen", s.HealthListen},
	} {
		path := path.Child(address.field)
		port, err := splitAddress(address.value)
		if err != nil {
			all = append(all, field.Invalid(path, address.value, err.Error()))
			continue
		}
		if other, ok := taken[address.value]; ok && port != 0 {
			all = append(all, field.Invalid(path, address.value, fmt.Sprintf("must differ from %s", other)))
		}
		taken[address.value] = address.field
	}
	if s.UIListen != "" {
		if err := CheckLoopback(s.UIListen); err != nil {
			all = append(all, field.Invalid(path.Child("uiListen"), s.UIListen, err.Error()))
		}
	}
	all = append(all, notNegative(path.Child("drainDelay"), s.DrainDelay)...)
	all = append(all, s.Limits.validate(path.Child("limits"))...)
	return append(all, s.Certificates.validate(path.Child("certificates"))...)
}

func (l Limits) validate(path *field.Path) field.ErrorList {
	var all field.ErrorList
	for _, limit := range []struct {
		field         string
		value, lowest int
		why           string
	}{
		{"maxConcurrentReviews", l.MaxConcurrentReviews, 1, ""},
		{"maxBytesInFlight", l.MaxBytesInFlight, 8 << 20, ": one review may have 7 MiB"},
		{"maxAnswerBytes", l.MaxAnswerBytes, 64 << 10, ": a pod of many containers needs it"},
		{"maxConnections", l.MaxConnections, 32, ": each API server keeps up to 25"},
	} {
		if limit.value < limit.lowest {
			all = append(all, field.Invalid(path.Child(limit.field), limit.value, fmt.Sprintf("must be at least %d%s", limit.lowest, limit.why)))
		}
	}
	return all
}

// splitAddress checks "host:port", where the host may be left out.
func splitAddress(address string) (port uint64, err error) {
	const form = `must be "host:port" or ":port", as in ":9443"`
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return 0, errors.New(form)
	}
	if port, err = strconv.ParseUint(portText, 10, 16); err != nil {
		return 0, errors.New(form + ", with a port from 0 to 65535")
	}
	if host != "" && net.ParseIP(host) == nil && len(validation.IsDNS1123Subdomain(host)) > 0 {
		return 0, errors.New(form + ", with an IP address or a host name")
	}
	return port, nil
}

// CheckLoopback holds the address of the status page to this machine's own: the
// page authenticates nobody.
func CheckLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err == nil {
		_, err = splitAddress(address)
	}
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New(`must be a loopback address with a port, as in "127.0.0.1:8084": the page authenticates nobody`)
	}
	return nil
}

func (c Certificates) validate(path *field.Path) field.ErrorList {
	switch {
	case c.CertFile != "" && c.KeyFile != "":
		return nil // provided: the names below are not used
	case c.CertFile != "":
		return field.ErrorList{field.Required(path.Child("keyFile"), "certFile is set: set both, or none for a certificate of envgraft's own")}
	case c.KeyFile != "":
		return field.ErrorList{field.Required(path.Child("certFile"), "keyFile is set: set both, or none for a certificate of envgraft's own")}
	}
	all := invalid(path.Child("secretName"), c.SecretName, validation.IsDNS1123Subdomain(c.SecretName))
	all = append(all, invalid(path.Child("serviceName"), c.ServiceName, validation.IsDNS1035Label(c.ServiceName))...)
	return append(all, invalid(path.Child("webhookConfiguration"), c.WebhookConfiguration,
		validation.IsDNS1123Subdomain(c.WebhookConfiguration))...)
}

func oneOf[T ~string](path *field.Path, value T, accepted ...T) field.ErrorList {
	if slices.Contains(accepted, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, accepted)}
}

// maxTTL bounds what is remembered. Caches keep keys for ten TTLs, which overflows
// a duration from 29 years on, and none that is older than a day is of use.
const maxTTL = 24 * time.Hour

// ttl holds how long something is remembered to what caches can count.
func ttl(path *field.Path, d time.Duration) field.ErrorList {
	if d > 0 && d <= maxTTL {
		return nil
	}
	return field.ErrorList{field.Invalid(path, d.String(), "must be greater than 0 and at most 24h")}
}

func positive(path *field.Path, d time.Duration) field.ErrorList {
	if d > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, d.String(), "must be greater than 0")}
}

func notNegative(path *field.Path, d time.Duration) field.ErrorList {
	if d >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, d.String(), "must not be negative")}
}

// labels holds each of the values to the form of a namespace's or container's name.
func labels(path *field.Path, values []string) field.ErrorList {
	var all field.ErrorList
	for i, value := range values {
		all = append(all, invalid(path.Index(i), value, validation.IsDNS1123Label(value))...)
	}
	return all
}

// containerNames are labels in which "*" may stand for a part.
func containerNames(path *field.Path, values []string) field.ErrorList {
	var all field.ErrorList
	for i, value := range values {
		all = append(all, invalid(path.Index(i), value, validation.IsDNS1123Label(strings.ReplaceAll(value, "*", "x")))...)
		if strings.Trim(value, "*") == "" {
			all = append(all, field.Invalid(path.Index(i), value, "skips every container: name some"))
		}
	}
	return all
}

// environmentName is a label's value that is not empty.
func environmentName(path *field.Path, value string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, `an environment, as in "stage"`)}
	}
	return labelValue(path, value)
}

func labelValue(path *field.Path, value string) field.ErrorList {
	return invalid(path, value, validation.IsValidLabelValue(value))
}

func invalid(path *field.Path, value string, messages []string) field.ErrorList {
	if len(messages) == 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, messages[0])}
}
