// Package ssmfake is a small SSM Parameter Store for tests: the wire protocol
// (AWS JSON 1.1) of the operations that envgraft and the External Secrets
// Operator call, with the refusals of the real service, and with faults that a
// test asks for.
//
// It is driven through the real SDK, so that what a test proves about retries,
// error codes and decoding holds for the real service too:
//
//	fake := ssmfake.New()
//	server := httptest.NewServer(fake)
//	client := ssmfake.NewClient(server.URL)
package ssmfake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Region and Account appear in the ARNs that the fake answers with.
const (
	Region  = "eu-central-1"
	Account = "000000000000"
)

const (
	contentType = "application/x-amz-json-1.1"
	// targetPrefix precedes the operation in the X-Amz-Target header.
	targetPrefix = "AmazonSSM."
	// maxRequestBytes is well over the largest PutParameter: 8 KiB of value,
	// JSON escapes and 50 tags.
	maxRequestBytes = 1 << 20
)

// Fake is a Parameter Store in memory. It is an http.Handler, safe for
// concurrent use.
type Fake struct {
	mu         sync.Mutex
	parameters map[string]*parameter
	faults     []*Fault
	calls      map[call]int
}

// call counts by operation and by the parameter it names.
type call struct{ operation, name string }

// New returns an empty Parameter Store.
func New() *Fake {
	return &Fake{parameters: map[string]*parameter{}, calls: map[call]int{}}
}

// NewClient returns the real SDK's client for a fake that listens at endpoint,
// with credentials that the fake accepts. Its retries and timeouts are the
// SDK's own.
func NewClient(endpoint string, options ...func(*ssm.Options)) *ssm.Client {
	return ssm.New(ssm.Options{
		Region:       Region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("fake", "fake", ""),
	}, options...)
}

// Put stores value as a SecureString, as a pipeline would with overwrite, and
// returns its version. It is no call: counters and faults do not see it.
func (f *Fake) Put(name, value string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.parameters[name]
	if p == nil {
		p = &parameter{name: name, kind: typeSecureString, keyID: defaultKeyID, tier: tierStandard}
		f.parameters[name] = p
	}
	return p.add(value)
}

// Delete removes a parameter. It is no call either.
func (f *Fake) Delete(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.parameters, name)
}

// Calls says how often an operation ("GetParameter") was called, faulted calls
// and the SDK's retries included.
func (f *Fake) Calls(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := 0
	for c, n := range f.calls {
		if c.operation == operation {
			sum += n
		}
	}
	return sum
}

// CallsFor says how often an operation was called for one parameter.
func (f *Fake) CallsFor(operation, name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call{operation, name}]
}

// ServeHTTP answers one call of the SSM API.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	handle, known := operations()[operation]
	if r.Method != http.MethodPost || !known {
		writeError(w, apiError{"UnknownOperationException", fmt.Sprintf("no operation %q", operation)})
		return
	}
	if !signed(r) {
		writeError(w, apiError{"MissingAuthenticationTokenException", "Missing Authentication Token"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		writeError(w, apiError{"SerializationException", err.Error()})
		return
	}
	name := parameterOf(body)
	if fault := f.count(operation, name); fault != nil && !fault.serve(w, r, operation, name) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	answer, err := handle(f, body)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// signed tells whether the request carries a signature for SSM. The signature
// itself is not verified: a client without credentials is what tests meet.
func signed(r *http.Request) bool {
	authorization := r.Header.Get("Authorization")
	return strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 ") && strings.Contains(authorization, "/ssm/aws4_request")
}

// parameterOf returns the parameter or path that a request is about, without
// its version selector.
func parameterOf(body []byte) string {
	var named struct {
		Name       string   `json:"Name"`
		Path       string   `json:"Path"`
		ResourceID string   `json:"ResourceId"`
		Names      []string `json:"Names"`
	}
	// A body that is not JSON is refused by the operation, with its own words.
	_ = json.Unmarshal(body, &named)
	switch {
	case named.Name != "":
		name, _ := splitSelector(named.Name)
		return name
	case named.Path != "":
		return named.Path
	case named.ResourceID != "":
		return named.ResourceID
	}
	return strings.Join(named.Names, ",")
}

// writeJSON answers as AWS does. The client is gone if it fails, so nobody is
// left to be told.
func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) //nolint:errchkjson // see above
}

// apiError is a refusal, by the service's own code.
type apiError struct{ code, message string }

func (e apiError) Error() string { return e.code + ": " + e.message }

// invalid is the refusal of a request that breaks a rule.
func invalid(message string) apiError { return apiError{"ValidationException", message} }

func writeError(w http.ResponseWriter, err error) {
	refusal, ok := errors.AsType[apiError](err)
	if !ok {
		refusal = apiError{"SerializationException", err.Error()}
	}
	writeJSON(w, http.StatusBadRequest, map[string]string{"__type": refusal.code, "message": refusal.message})
}

// epoch is a time as AWS JSON writes it: seconds, with a fraction.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
