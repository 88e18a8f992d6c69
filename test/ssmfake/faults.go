package ssmfake

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind says what goes wrong.
type Kind string

// The faults that a Fake can be told to make.
const (
	// Throttle answers ThrottlingException, which the SDK retries.
	Throttle Kind = "throttle"
	// Deny answers AccessDeniedException, in IAM's words.
	Deny Kind = "deny"
	// Reject answers UnrecognizedClientException, as to credentials that are wrong.
	Reject Kind = "reject"
	// Drop closes the connection without an answer, which the SDK retries.
	Drop Kind = "drop"
	// Fail answers 500 InternalServerError, which the SDK retries.
	Fail Kind = "fail"
	// Malformed answers 200 with a body that is not JSON.
	Malformed Kind = "malformed"
	// Hang answers as usual, but only after Delay.
	Hang Kind = "hang"
)

// maxHang bounds every Hang: a test that forgets its deadline must not leave a
// server that cannot close.
const maxHang = 30 * time.Second

// Fault is something that goes wrong with the calls it matches.
type Fault struct {
	Kind Kind `json:"kind"`
	// Path is a parameter's name; one that ends with "*" matches all names that
	// start so, and an empty one all calls.
	Path string `json:"path,omitempty"`
	// Operation ("GetParameter") limits the fault to one; empty matches all.
	Operation string `json:"operation,omitempty"`
	// Times is how often it happens before it is gone; 0 is until ClearFaults.
	Times int `json:"times,omitempty"`
	// Delay is how long Hang waits, up to 30 s, which is also its default.
	Delay time.Duration `json:"delay,omitempty"`

	left int
}

// Inject makes a fault happen from the next call on. Of several that match,
// the one injected first happens.
func (f *Fake) Inject(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault.left = fault.Times
	f.faults = append(f.faults, &fault)
}

// ClearFaults makes all calls work again. Calls that hang go on to do so.
func (f *Fake) ClearFaults() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// count counts a call and returns the fault that it meets, if any.
func (f *Fake) count(operation, name string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[call{operation, name}]++
	for _, fault := range f.faults {
		if !fault.matches(operation, name) {
			continue
		}
		fault.left--
		happening := *fault
		return &happening
	}
	return nil
}

func (f *Fault) matches(operation, name string) bool {
	if f.Times > 0 && f.left <= 0 {
		return false
	}
	if f.Operation != "" && f.Operation != operation {
		return false
	}
	if f.Path == "" {
		return true
	}
	// As IAM does, one of several names is enough.
	for one := range strings.SplitSeq(name, ",") {
		if prefix, ok := strings.CutSuffix(f.Path, "*"); one == f.Path || ok && strings.HasPrefix(one, prefix) {
			return true
		}
	}
	return false
}

// serve makes the fault happen and tells whether the call goes on as usual.
func (f *Fault) serve(w http.ResponseWriter, r *http.Request, operation, name string) bool {
	switch f.Kind {
	case Throttle:
		writeError(w, apiError{"ThrottlingException", "Rate exceeded"})
	case Deny:
		writeError(w, apiError{"AccessDeniedException", fmt.Sprintf(
			"User: arn:aws:iam::%s:user/fake is not authorized to perform: ssm:%s on resource: %s "+
				"because no identity-based policy allows the ssm:%s action", Account, operation, arnOf(name), operation)})
	case Reject:
		writeError(w, apiError{"UnrecognizedClientException", "The security token included in the request is invalid."})
	case Drop:
		panic(http.ErrAbortHandler)
	case Malformed:
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(`{"Parameter": {"Name`))
	case Hang:
		return f.wait(r)
	default:
		writeJSON(w, http.StatusInternalServerError, map[string]string{
			"__type": "InternalServerError", "message": "An error occurred on the server side.",
		})
	}
	return false
}

// wait is true when the delay is over, false when the client gave up.
func (f *Fault) wait(r *http.Request) bool {
	delay := f.Delay
	if delay <= 0 || delay > maxHang {
		delay = maxHang
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
