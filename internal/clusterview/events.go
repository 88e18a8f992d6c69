package clusterview

import (
	"context"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/workload"
)

// Complaint is ESO's last warning about an ExternalSecret: its condition says
// only that something failed.
type Complaint struct {
	Text string
	At   time.Time
}

// event is the part of one that is read.
type event struct {
	Metadata       metav1.ObjectMeta `json:"metadata"`
	Type           string            `json:"type"`
	Reason         string            `json:"reason"`
	Message        string            `json:"message"`
	LastTimestamp  metav1.Time       `json:"lastTimestamp"`
	EventTime      metav1.Time       `json:"eventTime"`
	InvolvedObject struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"involvedObject"`
}

// at is when it was last seen, in the field of either Event API.
func (e event) at() time.Time {
	if e.LastTimestamp.IsZero() {
		return e.EventTime.Time
	}
	return e.LastTimestamp.Time
}

// eventsOf lists Events by a field selector, the oldest first.
func eventsOf(ctx context.Context, r *Reader, namespace string, fields ...string) []event {
	all := list[event](ctx, r, events(), namespace, query{accept: whole, fields: strings.Join(fields, ",")}).Value
	slices.SortStableFunc(all, func(a, b event) int { return a.at().Compare(b.at()) })
	return all
}

// Event is one about a workload. Whoever may create Events wrote its texts.
type Event struct {
	Type, Reason, Message string
	At                    time.Time
}

// maxEvents are shown of a workload: an author of Events must not fill the page.
const maxEvents = 20

// WorkloadEvents returns the newest Events about a workload, the newest first.
func (r *Reader) WorkloadEvents(ctx context.Context, w Ref) []Event {
	all := eventsOf(ctx, r, w.Namespace, "involvedObject.kind="+w.Kind.Kind, "involvedObject.name="+w.Name)
	newest := make([]Event, 0, min(len(all), maxEvents))
	for _, e := range slices.Backward(all) {
		if len(newest) == maxEvents {
			break
		}
		newest = append(newest, Event{
			Type: bounded.Text(e.Type, bounded.Name), Reason: bounded.Text(e.Reason, bounded.Name), Message: bounded.Text(e.Message, bounded.Note), At: e.at(),
		})
	}
	return newest
}

// Complaint returns the last one about an ExternalSecret.
func (r *Reader) Complaint(ctx context.Context, e *ExternalSecret) Complaint {
	all := eventsOf(ctx, r, e.Namespace, "involvedObject.kind=ExternalSecret", "involvedObject.name="+e.Name, "type=Warning")
	if len(all) == 0 {
		return Complaint{}
	}
	last := all[len(all)-1]
	return Complaint{last.Message, last.at()}
}

// Complaints returns the last one about each ExternalSecret of a namespace, or
// of all, by namespace/name.
func (r *Reader) Complaints(ctx context.Context, namespace string) map[string]Complaint {
	last := map[string]Complaint{}
	for _, e := range eventsOf(ctx, r, namespace, "involvedObject.kind=ExternalSecret", "type=Warning") {
		last[e.Metadata.Namespace+"/"+e.InvolvedObject.Name] = Complaint{e.Message, e.at()}
	}
	return last
}

// failure is why pods of a workload cannot be created, as its controller said
// last. Deployments and Rollouts have it in their status.
func failure(ctx context.Context, r *Reader, w Workload) string {
	if w.failure != "" || !w.failsByEvents() {
		return w.failure
	}
	all := eventsOf(ctx, r, w.Namespace, "involvedObject.kind="+w.Kind.Kind, "involvedObject.name="+w.Name, "reason=FailedCreate")
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].Message
}

// failures are those of all workloads of a namespace, or of all.
func failures(ctx context.Context, r *Reader, namespace string) map[string]string {
	last := map[string]string{}
	for _, e := range eventsOf(ctx, r, namespace, "reason=FailedCreate") {
		last[podKey(e.Metadata.Namespace, e.InvolvedObject.Kind, e.InvolvedObject.Name)] = e.Message
	}
	return last
}

// failsByEvents says that the kind's status does not say why it has no pods.
func (w Workload) failsByEvents() bool {
	switch w.Kind.Kind {
	case workload.StatefulSet, workload.DaemonSet, workload.Job:
		return true
	}
	return false
}
