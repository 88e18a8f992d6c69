package ssmevents

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Change is what an event says of a parameter. It is a hint: it has no version
// and no value, and arrives at least once, in any order, or not at all.
type Change struct {
	// ID is the event's: one that is delivered twice has the same.
	ID string
	// Account and Region are those of the parameter, also where the event came
	// over another account's bus.
	Account string
	Region  string
	// Name is the parameter's.
	Name      string
	Operation Operation
	// At is when EventBridge got it, to the second.
	At time.Time
}

// Operation is what happened to the parameter, see
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html.
type Operation string

// The operations.
const (
	Create Operation = "Create"
	Update Operation = "Update"
	Delete Operation = "Delete"
	Label  Operation = "LabelParameterVersion"
)

// ErrForeign is returned for an event that is not about a parameter: a rule that
// matches more than it should.
var ErrForeign = errors.New("not an event of Parameter Store")

const (
	source     = "aws.ssm"
	detailType = "Parameter Store Change"
	// maxBody is SQS' own limit, in bytes.
	maxBody = 1 << 20
)

// event is EventBridge's, see
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html.
type event struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	DetailType string    `json:"detail-type"`
	Account    string    `json:"account"`
	Region     string    `json:"region"`
	Time       time.Time `json:"time"`
	Detail     struct {
		Operation Operation `json:"operation"`
		Name      string    `json:"name"`
	} `json:"detail"`
}

// envelope is what SNS wraps a message in, unless raw delivery is on, see
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html.
type envelope struct {
	Type    string `json:"Type"`
	Message string `json:"Message"`
}

// Parse reads the body of a message: an event as EventBridge sends it, or one
// within SNS' envelope.
func Parse(body string) (Change, error) {
	if len(body) > maxBody {
		return Change{}, fmt.Errorf("cannot read an event of %d bytes: SQS takes %d at most", len(body), maxBody)
	}
	var wrapped envelope
	if err := json.Unmarshal([]byte(body), &wrapped); err != nil {
		return Change{}, fmt.Errorf("cannot read an event: %w", err)
	}
	if wrapped.Type == "Notification" {
		body = wrapped.Message
	}
	var e event
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return Change{}, fmt.Errorf("cannot read an event: %w", err)
	}
	if e.Source != source || e.DetailType != detailType {
		return Change{}, ErrForeign
	}
	switch e.Detail.Operation {
	case Create, Update, Delete, Label:
	default:
		return Change{}, ErrForeign // such as an expiring policy
	}
	if e.Detail.Name == "" || e.Account == "" || e.Region == "" {
		return Change{}, errors.New("cannot read an event: it lacks detail.name, account or region")
	}
	return Change{ID: e.ID, Account: e.Account, Region: e.Region, Name: e.Detail.Name, Operation: e.Detail.Operation, At: e.Time}, nil
}
