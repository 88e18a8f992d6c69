package admissionevents

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// objects answers reads by kind and name, and counts them.
type objects struct {
	client.Reader
	all   map[string]*metav1.PartialObjectMetadata
	err   error
	reads int
}

func (o *objects) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	o.reads++
	if o.err != nil {
		return o.err
	}
	kind := into.GetObjectKind().GroupVersionKind().Kind
	found, ok := o.all[kind+"/"+key.Name]
	if !ok || found.Namespace != key.Namespace {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
	}
	found.DeepCopyInto(into.(*metav1.PartialObjectMetadata))
	return nil
}

type counts map[metrics.NoticeOutcome]int

func (c counts) Notice(outcome metrics.NoticeOutcome) { c[outcome]++ }

func object(apiVersion, kind, name string, controller *metav1.OwnerReference) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)},
	}
	if controller != nil {
		o.OwnerReferences = []metav1.OwnerReference{*controller}
	}
	return o
}

func owner(apiVersion, kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: new(true)}
}

// bench is Notices on a cluster of a few objects.
type bench struct {
	*Notices
	objects  *objects
	counts   counts
	recorder *events.FakeRecorder
}

func newBench() *bench {
	deployment, cron := owner("apps/v1", "Deployment", "web"), owner("batch/v1", "CronJob", "nightly")
	b := &bench{counts: counts{}, recorder: events.NewFakeRecorder(4096), objects: &objects{all: map[string]*metav1.PartialObjectMetadata{
		"Deployment/web":   object("apps/v1", "Deployment", "web", nil),
		"ReplicaSet/web-1": object("apps/v1", "ReplicaSet", "web-1", &deployment),
		"ReplicaSet/web-2": object("apps/v1", "ReplicaSet", "web-2", &deployment),
		"CronJob/nightly":  object("batch/v1", "CronJob", "nightly", nil),
		"Job/nightly-1":    object("batch/v1", "Job", "nightly-1", &cron),
		"StatefulSet/db":   object("apps/v1", "StatefulSet", "db", nil),
	}}}
	b.recorder.Verbose = true
	b.Notices = New(b.objects, b.recorder, b.counts, logr.Discard())
	return b
}

// drain writes what is queued, and returns the Events.
func (b *bench) drain(t *testing.T) []string {
	t.Helper()
	for len(b.queue) > 0 {
		b.counts.Notice(b.write(t.Context(), <-b.queue))
	}
	var all []string
	for len(b.recorder.Events) > 0 {
		all = append(all, <-b.recorder.Events)
	}
	return all
}

func shadowed(message string) graft.Report {
	return graft.Report{Status: graft.StatusInjected, Warnings: []graft.Warning{
		{Reason: graft.WarnShadowedKey, Message: message}, {Reason: graft.WarnKeyName, Message: "not for an Event"},
	}}
}

func TestNotify(t *testing.T) {
	audited := graft.Report{Status: graft.StatusAudited, Would: graft.StatusInjected, Containers: []graft.ContainerReport{
		{Name: "app", Rebound: []graft.Rebinding{{Name: "DEBUG", Tier: graft.TierParameter}}},
	}}
	audited.Identity.ConfigMap, audited.Identity.Parameter = "web-config", "/shop/web/stage/app"
	two := shadowed("one")
	two.Warnings = append(two.Warnings, graft.Warning{Reason: graft.WarnShadowedKey, Message: "two"})
	cases := map[string]struct {
		reason string
		owner  metav1.OwnerReference
		report graft.Report
		want   []string
	}{
		"Deployment": {
			reason: "People look at what they deployed, not at the ReplicaSet.",
			owner:  owner("apps/v1", "ReplicaSet", "web-1"), report: shadowed("shadows A"),
			want: []string{"Warning ShadowedKey Admit shadows A {kind=Deployment,apiVersion=apps/v1}"},
		},
		"CronJob":     {reason: "Likewise.", owner: owner("batch/v1", "Job", "nightly-1"), report: shadowed("x"), want: []string{"Warning ShadowedKey Admit x {kind=CronJob,apiVersion=batch/v1}"}},
		"StatefulSet": {reason: "It makes its pods itself.", owner: owner("apps/v1", "StatefulSet", "db"), report: shadowed("x"), want: []string{"Warning ShadowedKey Admit x {kind=StatefulSet,apiVersion=apps/v1}"}},
		"OneOfAKind": {
			reason: "What is found twice in a pod is one Event, or the two would take turns forever.",
			owner:  owner("apps/v1", "ReplicaSet", "web-1"), report: two,
			want: []string{"Warning ShadowedKey Admit one; two {kind=Deployment,apiVersion=apps/v1}"},
		},
		"Audited": {
			reason: "A Namespace in audit mode is told what would be done.",
			owner:  owner("apps/v1", "ReplicaSet", "web-1"), report: audited,
			want: []string{`Normal Audited Admit would be injected: ConfigMap "web-config", then parameter "/shop/web/stage/app"; ` +
				"literals that would give way: DEBUG of container app {kind=Deployment,apiVersion=apps/v1}"},
		},
		"Forged":        {reason: "A UID that is not the object's is not followed.", owner: metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-1", UID: "other"}, report: shadowed("x")},
		"Gone":          {reason: "Nor is a name that does not exist.", owner: owner("apps/v1", "ReplicaSet", "gone"), report: shadowed("x")},
		"NoMaker":       {reason: "A Deployment makes no pods: somebody made this up.", owner: owner("apps/v1", "Deployment", "web"), report: shadowed("x")},
		"StandalonePod": {reason: "Its author reads the warnings.", report: shadowed("x")},
		"AllIsWell":     {reason: "There is nothing to tell.", owner: owner("apps/v1", "ReplicaSet", "web-1"), report: graft.Report{Status: graft.StatusInjected}},
		"OtherGroup":    {reason: "The group counts too.", owner: owner("example.com/v1", "ReplicaSet", "web-1"), report: shadowed("x")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.Notify("shop", tc.owner, tc.report)
			if diff := cmp.Diff(tc.want, b.drain(t)); diff != "" {
				t.Errorf("%s\nEvents: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestNotifyCoalesces(t *testing.T) {
	b := newBench()
	for range 500 { // pods of one rollout
		b.Notify("shop", owner("apps/v1", "ReplicaSet", "web-1"), shadowed("shadows A"))
	}
	b.Notify("shop", owner("apps/v1", "ReplicaSet", "web-2"), shadowed("shadows A")) // the next revision has it still
	if got := b.drain(t); len(got) != 1 {
		t.Errorf("the same of one workload makes %d Events: %q", len(got), got)
	}
	b.Notify("shop", owner("apps/v1", "ReplicaSet", "web-2"), shadowed("shadows B"))
	if got := b.drain(t); len(got) != 1 {
		t.Errorf("something new makes %d Events: %q", len(got), got)
	}
}

// TestNotifyFlood has one namespace invent owners: it costs the API server a
// bounded number of reads, and the others nothing.
func TestNotifyFlood(t *testing.T) {
	b := newBench()
	for i := range 10_000 {
		b.Notify("evil", owner("apps/v1", "ReplicaSet", fmt.Sprint("made-up-", i)), shadowed("x"))
	}
	b.Notify("shop", owner("apps/v1", "ReplicaSet", "web-1"), shadowed("shadows A"))
	if got := b.drain(t); len(got) != 1 || !strings.Contains(got[0], "Deployment") {
		t.Errorf("the other namespace's Events: %q", got)
	}
	if b.objects.reads > namespaceBurst+5 {
		t.Errorf("10,000 invented owners cost %d reads", b.objects.reads)
	}
	if b.counts[metrics.NoticeLimited] < 9_900 {
		t.Errorf("counted: %v", b.counts)
	}
}

// TestNotifyNeverWaits has many namespaces find more than can be written.
func TestNotifyNeverWaits(t *testing.T) {
	b := newBench()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2 * queueLength {
			b.Notify(fmt.Sprint("ns-", i), owner("apps/v1", "ReplicaSet", "web-1"), shadowed("x"))
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("an admission waits for Events to be written")
	}
	if b.counts[metrics.NoticeDropped] != queueLength {
		t.Errorf("counted: %v, want %d dropped", b.counts, queueLength)
	}
}

func TestNotifyAfterAFailure(t *testing.T) {
	b := newBench()
	b.objects.err = errors.New("no route")
	b.Notify("shop", owner("apps/v1", "ReplicaSet", "web-1"), shadowed("x"))
	if got := b.drain(t); len(got) != 0 {
		t.Fatalf("Events: %q", got)
	}
	b.objects.err = nil
	b.Notify("shop", owner("apps/v1", "ReplicaSet", "web-1"), shadowed("x"))
	if got := b.drain(t); len(got) != 1 {
		t.Errorf("what could not be told is not told later: %q, %v", got, b.counts)
	}
}
