package ssmevents

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// raw is the example of AWS' documentation.
const raw = `{
  "version": "0", "id": "6a7e4feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Parameter Store Change", "source": "aws.ssm",
  "account": "123456789012", "time": "2026-05-22T16:43:48Z", "region": "eu-central-1",
  "resources": ["arn:aws:ssm:eu-central-1:123456789012:parameter/popapps/shop/stage/app"],
  "detail": {"operation": "Update", "name": "/popapps/shop/stage/app", "type": "SecureString", "description": "of the shop"}
}`

func TestParse(t *testing.T) {
	want := Change{
		ID: "6a7e4feb-b491-4cf7-a9f1-bf3703467718", Account: "123456789012", Region: "eu-central-1", Name: "/popapps/shop/stage/app", Operation: Update,
		At: time.Date(2026, 5, 22, 16, 43, 48, 0, time.UTC),
	}
	enveloped, err := json.Marshal(map[string]string{"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": raw})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		reason string
		body   string
		want   Change
		err    error // nil: any where the change is empty
	}{
		"Raw":       {"EventBridge sends the event itself.", raw, want, nil},
		"Enveloped": {"SNS wraps it, for the fan-out to several clusters.", string(enveloped), want, nil},
		"Policy":    {"Expirations of parameter policies are another detail-type.", `{"source":"aws.ssm","detail-type":"Parameter Store Policy Action","detail":{}}`, Change{}, ErrForeign},
		"Other":     {"A rule may match more than it should.", `{"source":"aws.ec2","detail-type":"x"}`, Change{}, ErrForeign},
		"Nothing":   {"A message may hold anything.", ``, Change{}, nil},
		"List":      {"A message may hold anything.", `[]`, Change{}, nil},
		"Inner":     {"The envelope is good, its message is not.", `{"Type":"Notification","Message":"{"}`, Change{}, nil},
		"Nameless": {
			"Without a name there is nothing to ask for.",
			`{"source":"aws.ssm","detail-type":"Parameter Store Change","account":"1","region":"r","detail":{"operation":"Update"}}`,
			Change{},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(test.body)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", test.reason, diff)
			}
			if test.want == (Change{}) && err == nil {
				t.Errorf("%s: there is no error", test.reason)
			}
			if test.err != nil && !errors.Is(err, test.err) {
				t.Errorf("%s: the error is %v, want %v", test.reason, err, test.err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(raw)
	f.Add(`{"Type":"Notification","Message":"{}"}`)
	f.Fuzz(func(t *testing.T, body string) {
		change, err := Parse(body)
		if err == nil && (change.Name == "" || change.Account == "" || change.Region == "") {
			t.Errorf("%q gives %+v, which names no parameter", body, change)
		}
	})
}
