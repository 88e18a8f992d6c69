package externalsecret

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/graft"
)

func wanted() Wants {
	return Wants{Parameter: "/popapps/shop/stage/app", Secret: "shop-secrets", Store: graft.Store{Kind: "ClusterSecretStore", Name: "aws-ssm"}}
}

// noon is when most things happen here.
func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

func foundAt(version int64, modified time.Time, keys ...string) graft.Parameter {
	p := graft.Parameter{State: graft.ParameterFound, Version: version, Modified: modified, Keys: keys}
	if len(keys) == 0 {
		p.State = graft.ParameterEmpty
	}
	return p
}

func TestRecord(t *testing.T) {
	r := NewRecord(wanted(), "eu-west-1", foundAt(3, noon().Add(-time.Hour), "API_KEY", "URL"), noon())
	text, err := r.String()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"parameter":"/popapps/shop/stage/app","store":"ClusterSecretStore/aws-ssm","origin":"eu-west-1","version":3,` +
		`"modified":"2026-01-01T11:00:00Z","asOf":"2026-01-01T12:00:00Z","keys":["API_KEY","URL"]}`
	if text != want {
		t.Errorf("got %s", text)
	}
	again := ParseRecord(text)
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
	other := wanted()
	other.Store.Name = "other"
	if !again.Of(wanted()) || again.Of(other) || !again.From("eu-west-1") || again.From("") {
		t.Error("the parameter of this path in another store or region is another one")
	}
}

func TestParseRecord(t *testing.T) {
	for _, test := range []struct {
		reason, text string
		read, known  bool
	}{
		{"one from before the time of modification was recorded", `{"parameter":"/a","store":"ClusterSecretStore/x","version":3,"asOf":"2026-01-01T12:00:00Z","keys":["A"]}`, true, true},
		{"no keys, and why", `{"parameter":"/a","state":"NotFound","asOf":"2026-01-01T12:00:00Z","keys":null}`, true, false},
		{"with what the Secret had", `{"version":2,"keys":["A"],"previous":{"version":1,"keys":["A","B"]}}`, true, true},
		{"no JSON", "keys", false, false},
		{"no version", `{"keys":["A"]}`, false, false},
		{"not sorted, as no record of ours is", `{"version":1,"keys":["B","A"]}`, false, false},
		{"nor what came before", `{"version":2,"keys":["A"],"previous":{"version":1,"keys":["B","A"]}}`, false, false},
		{"a state that is never recorded", `{"state":"Throttled","keys":null}`, false, false},
		{"a state that has no keys", `{"state":"NotFound","keys":["A"]}`, false, false},
	} {
		r := ParseRecord(test.text)
		if (r != nil) != test.read || r.Known() != test.known {
			t.Errorf("%s: got %+v", test.reason, r)
		}
	}
	if old := ParseRecord(`{"version":3,"keys":["A"]}`); !old.From("eu-west-1") {
		t.Error("a record from before the origin was recorded counts as that of any")
	}
}

func TestNewRecord(t *testing.T) {
	for state, recorded := range map[graft.ParameterState]bool{
		graft.ParameterFound: false, graft.ParameterEmpty: false, // without a version: nobody could find out that they changed
		graft.ParameterNotFound: true, graft.ParameterNotObject: true, graft.ParameterInvalidJSON: true, graft.ParameterAccessDenied: true,
		graft.ParameterThrottled: false, graft.ParameterUnreachable: false, graft.ParameterUnchecked: false,
	} {
		r := NewRecord(wanted(), "", graft.Parameter{State: state}, noon())
		if (r != nil) != recorded {
			t.Errorf("%s: got %+v", state, r)
		}
		if r == nil {
			continue
		}
		text, err := r.String()
		if again := ParseRecord(text); err != nil || !again.Same(r) || again.Known() {
			t.Errorf("%s: %s was read as %+v, %v", state, text, again, err)
		}
	}
}

func TestVersionAfter(t *testing.T) {
	for _, test := range []struct {
		reason  string
		v       Version
		other   Version
		isAfter bool
	}{
		{"the next version", Version{Number: 3, Modified: noon()}, Version{Number: 2, Modified: noon().Add(-time.Hour)}, true},
		{"created again it begins at 1", Version{Number: 1, Modified: noon()}, Version{Number: 3, Modified: noon().Add(-time.Hour)}, true},
		{"an answer from before it was created again", Version{Number: 3, Modified: noon().Add(-time.Hour)}, Version{Number: 1, Modified: noon()}, false},
		{"created again, it has the same number", Version{Number: 1, Modified: noon()}, Version{Number: 1, Modified: noon().Add(-time.Hour)}, true},
		{"the same", Version{Number: 3, Modified: noon()}, Version{Number: 3, Modified: noon()}, false},
		{"the same, one by the millisecond", Version{Number: 3, Modified: noon().Add(400 * time.Microsecond)}, Version{Number: 3, Modified: noon()}, false},
		{"the same, one rounded up", Version{Number: 3, Modified: noon()}, Version{Number: 3, Modified: noon().Add(-400 * time.Microsecond)}, false},
		{"two changes in one millisecond", Version{Number: 3, Modified: noon()}, Version{Number: 2, Modified: noon()}, true},
		{"an old record of an older version", Version{Number: 3, Modified: noon().Add(-time.Hour)}, Version{Number: 2, Seen: noon()}, true},
		{"an old record of this version", Version{Number: 3, Modified: noon().Add(-time.Hour)}, Version{Number: 3, Seen: noon()}, false},
		{"an old record, and created again since", Version{Number: 1, Modified: noon()}, Version{Number: 3, Seen: noon().Add(-time.Hour)}, true},
		{"seen before it was created again", Version{Number: 3, Seen: noon().Add(-time.Hour)}, Version{Number: 1, Modified: noon()}, false},
		{"numbers, where nothing else is known", Version{Number: 3}, Version{Number: 2}, true},
	} {
		if got := test.v.After(test.other); got != test.isAfter {
			t.Errorf("%s: %+v after %+v is %t", test.reason, test.v, test.other, got)
		}
		if test.isAfter && test.other.After(test.v) {
			t.Errorf("%s: each is after the other", test.reason)
		}
		if same := test.v.Is(test.other); same && test.isAfter {
			t.Errorf("%s: they are one and one is later", test.reason)
		}
	}
}

// filled is an ExternalSecret whose Secret ESO refreshed at a time.
func filled(r *Record, refreshed time.Time) *ExternalSecret {
	e := &ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "shop-external"}, Record: r}
	e.Spec.Target = Target{Name: "shop-secrets", CreationPolicy: CreationPolicyOwner}
	e.Status = synced("shop-secrets")
	e.Status.RefreshTime = metav1.NewTime(refreshed)
	return e
}

func TestNextRecord(t *testing.T) {
	record := func(version int64, modified, asOf time.Time, keys ...string) *Record {
		return NewRecord(wanted(), "", foundAt(version, modified, keys...), asOf)
	}
	with := func(r *Record, change func(*Record)) *Record {
		c := *r
		change(&c)
		return &c
	}
	without := func(state graft.ParameterState) *Record {
		return NewRecord(wanted(), "", graft.Parameter{State: state}, noon())
	}
	const hour = time.Hour
	v2 := record(2, noon().Add(-3*hour), noon().Add(-2*hour), "A", "B")
	v3 := record(3, noon(), noon(), "A", "C")
	again := record(1, noon(), noon(), "A")
	for _, test := range []struct {
		reason string
		e      *ExternalSecret
		found  *Record
		now    time.Time
		want   *Record
	}{
		{"the first is written as it is", nil, v2, noon(), v2},
		{"nothing is known", nil, nil, noon(), nil},
		{"the same keeps its words", filled(v2, noon().Add(-hour)), record(2, noon().Add(-3*hour), noon(), "A", "B"), noon(), v2},
		{"a newer one says what the Secret has", filled(v2, noon().Add(-hour)), v3, noon(), with(v3, func(r *Record) {
			r.Previous = &Previous{Version: 2, Modified: noon().Add(-3 * hour), Keys: []string{"A", "B"}}
		})},
		{"so does one that was created again", filled(v2, noon().Add(-hour)), again, noon(), with(again, func(r *Record) {
			r.Previous = &Previous{Version: 2, Modified: noon().Add(-3 * hour), Keys: []string{"A", "B"}}
		})},
		{"an older answer is none", filled(v3, noon()), v2, noon(), v3},
		{"a parameter that is gone takes nothing from the Secret", filled(v2, noon().Add(-hour)), without(graft.ParameterNotFound), noon(), v2},
		{"it came", filled(without(graft.ParameterNotFound), time.Time{}), v2, noon(), v2},
		{"it is still not there", filled(without(graft.ParameterNotFound), time.Time{}), without(graft.ParameterNotFound), noon(), without(graft.ParameterNotFound)},
		{"it came, and is no object", filled(without(graft.ParameterNotFound), time.Time{}), without(graft.ParameterNotObject), noon(), without(graft.ParameterNotObject)},
		{
			"of another account it is another parameter", filled(v3, noon()), with(v2, func(r *Record) { r.Origin = "us-east-1" }), noon(),
			with(v2, func(r *Record) { r.Origin = "us-east-1" }),
		},
		{"while ESO may still answer nothing is said", filled(v3, noon().Add(-hour)), nil, noon().Add(answerBound), v3},
		{"that it does not answer is written down once", filled(v3, noon().Add(-hour)), nil, noon().Add(hour), with(v3, func(r *Record) { r.Late = true })},
		{"and stays", filled(with(v3, func(r *Record) { r.Late = true }), noon().Add(-hour)), nil, noon().Add(2 * hour), with(v3, func(r *Record) { r.Late = true })},
		{
			"and when it answered", filled(with(v3, func(r *Record) { r.Late = true }), noon().Add(hour)), nil, noon().Add(2 * hour),
			with(v3, func(r *Record) { r.Since = noon().Add(hour + time.Second) }),
		},
	} {
		t.Run(test.reason, func(t *testing.T) {
			got := test.e.NextRecord(wanted(), test.found, test.now)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	// What the Secret has is not the version before, where ESO has read neither.
	e := filled(with(v2, func(r *Record) { r.Previous = &Previous{Version: 1, Keys: []string{"Z"}} }), noon().Add(-5*hour))
	if got := e.NextRecord(wanted(), v3, noon()); got.Previous == nil || got.Previous.Version != 1 {
		t.Errorf("the Secret had version 1, and the record says %+v", got.Previous)
	}
}

func TestKeys(t *testing.T) {
	modified := noon().Add(-time.Minute)
	newest := NewRecord(wanted(), "", foundAt(3, modified, "A", "NEW"), noon())
	withPrevious := *newest
	withPrevious.Previous = &Previous{Version: 2, Modified: noon().Add(-time.Hour), Keys: []string{"A", "GONE"}}
	wasEmpty := *newest
	wasEmpty.Previous = &Previous{Version: 2}
	soon, late := noon().Add(answerBound), noon().Add(answerBound+time.Second)
	for _, test := range []struct {
		reason    string
		record    *Record
		refreshed time.Time
		now       time.Time
		state     graft.ParameterState
		keys      []string
		version   int64
	}{
		{"ESO has refreshed", &withPrevious, noon(), late, graft.ParameterFound, []string{"A", "NEW"}, 3},
		{"ESO will, if it is well", &withPrevious, noon().Add(-time.Hour), soon, graft.ParameterFound, []string{"A", "NEW"}, 3},
		{"ESO does not answer: what the Secret has, but for what the next refresh takes", &withPrevious, noon().Add(-time.Hour), late, graft.ParameterFound, []string{"A"}, 2},
		{"there was no Secret before, and there is none now", &wasEmpty, noon().Add(-time.Hour), late, graft.ParameterEmpty, nil, 2},
		{"what the Secret has was not recorded, and is not guessed", newest, noon().Add(-time.Hour), late, graft.ParameterUnchecked, nil, 0},
		{"refreshed before SSM was asked, and surely after the change", newest, noon().Add(-10 * time.Second), late, graft.ParameterFound, []string{"A", "NEW"}, 3},
		{"ESO never filled it: the record is all that is known", newest, time.Time{}, late, graft.ParameterFound, []string{"A", "NEW"}, 3},
	} {
		e := filled(test.record, test.refreshed)
		if test.refreshed.IsZero() {
			e.Status.RefreshTime = metav1.Time{}
		}
		got := e.Keys(test.now)
		if diff := cmp.Diff(test.keys, got.Keys); diff != "" || got.State != test.state || got.Version != test.version {
			t.Errorf("%s: got %+v", test.reason, got)
		}
		if unanswered := e.Health(test.now).State == StateUnanswered; unanswered != (got.Version != 3) {
			t.Errorf("%s: its health says %+v", test.reason, e.Health(test.now))
		}
	}
}

func TestHeld(t *testing.T) {
	newest := NewRecord(wanted(), "", foundAt(3, noon(), "A"), noon())
	pending := *newest
	pending.Previous = &Previous{Version: 2}
	for _, test := range []struct {
		reason string
		e      *ExternalSecret
		number int64
		known  bool
	}{
		{"refreshed since", filled(newest, noon()), 3, true},
		{"not yet", filled(&pending, noon().Add(-time.Hour)), 2, true},
		{"not yet, and what was before is not known", filled(newest, noon().Add(-time.Hour)), 0, false},
		{"nothing is recorded", filled(nil, noon()), 0, false},
	} {
		if got, known := test.e.Held(); got.Number != test.number || known != test.known {
			t.Errorf("%s: got %+v, %t", test.reason, got, known)
		}
	}
}

func TestUnrecorded(t *testing.T) {
	r := NewRecord(wanted(), "", foundAt(3, noon(), "A"), noon())
	missing := NewRecord(wanted(), "", graft.Parameter{State: graft.ParameterNotFound}, noon())
	other := wanted()
	other.Parameter = "/other"
	for _, test := range []struct {
		reason     string
		e          *ExternalSecret
		wants      Wants
		origin     string
		unrecorded bool
	}{
		{"none was made yet", nil, wanted(), "", true},
		{"it is recorded", filled(r, noon()), wanted(), "", false},
		{"another parameter is wanted", filled(r, noon()), other, "", true},
		{"the store reads another account now", filled(r, noon()), wanted(), "eu-west-1", true},
		{"ESO made no Secret of a parameter that is missing", filled(missing, noon().Add(-time.Hour)), wanted(), "", false},
		{"ESO made a Secret of it: it came", filled(missing, noon().Add(time.Hour)), wanted(), "", true},
	} {
		if _, got := test.e.Unrecorded(test.wants, test.origin); got != test.unrecorded {
			t.Errorf("%s: got %t", test.reason, got)
		}
	}
}

func TestSettled(t *testing.T) {
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
		e := &ExternalSecret{Record: &Record{AsOf: noon().Add(-test.asOf)}, Status: Status{RefreshTime: metav1.NewTime(noon().Add(-test.refreshed))}}
		if got := e.Settled(noon()); got != test.wantsSettled {
			t.Errorf("%s: got %t", test.reason, got)
		}
	}
}
