package eso

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

func wanted() Wants {
	return Wants{Parameter: "/popapps/shop/stage/app", Secret: "shop-secrets", Store: graft.Store{Kind: "ClusterSecretStore", Name: "aws-ssm"}}
}

func TestRecord(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := facts.Parameter{Fetched: at}
	p.State, p.Keys, p.Version = graft.ParameterFound, []string{"API_KEY", "URL"}, 3
	r := NewRecord(wanted(), p)
	text, err := r.String()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"parameter":"/popapps/shop/stage/app","store":"ClusterSecretStore/aws-ssm","version":3,"asOf":"2026-01-01T00:00:00Z","keys":["API_KEY","URL"]}`
	if text != want {
		t.Errorf("got %s", text)
	}
	again := ParseRecord(text)
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
	other := wanted()
	other.Store.Name = "other"
	if !again.Of(wanted()) || again.Of(other) {
		t.Error("the parameter of this path in another store is another one")
	}
	for reason, text := range map[string]string{
		"no JSON": "keys", "no version": `{"keys":["A"]}`, "not sorted, as no record of ours is": `{"version":1,"keys":["B","A"]}`,
	} {
		if got := ParseRecord(text); got != nil {
			t.Errorf("%s: got %+v", reason, got)
		}
	}
	p.Version = 0
	if NewRecord(wanted(), p) != nil {
		t.Error("keys without a version would never be found to be old")
	}
}

func TestSettled(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		reason       string
		refreshed    time.Duration
		asOf         time.Duration
		wantsSettled bool
	}{
		{"the record is younger than the Secret", time.Minute, 30 * time.Second, true},
		{"ESO refreshed the Secret just now, perhaps by another version", 5 * time.Second, time.Hour, false},
		{"ESO filled the Secret, or refreshed it, because of the record", 5 * time.Second, 7 * time.Second, true},
		{"a refresh that the record did not cause", 5 * time.Second, 12 * time.Second, false},
		{"the leader let the record stand after the refresh", time.Minute, time.Hour, true},
	} {
		e := &ExternalSecret{Record: &Record{AsOf: now.Add(-test.asOf)}, Status: Status{RefreshTime: metav1.NewTime(now.Add(-test.refreshed))}}
		if got := e.settled(now); got != test.wantsSettled {
			t.Errorf("%s: got %t", test.reason, got)
		}
	}
}
