// Package admissionevents writes the findings of admissions as Events on workloads.
// The warnings of a pod that a controller creates are shown to nobody; people look
// at the Events of its workload first.
package admissionevents

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/expiring"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/workload"
)

// The bounds, of one replica. A namespace can spend no more than its own share:
// whoever may create pods can have as many reviewed as they like.
const (
	queueLength        = 1024
	remembered         = 65536
	namespaces         = 4096
	namespacePerSecond = 0.1
	namespaceBurst     = 20
	writeTimeout       = 10 * time.Second
	repeatAfter        = time.Hour
	action             = "Admit"
	ownersForgottenIn  = 10 * time.Minute
	maxVariables       = 8 // that one note names
)

// Counter counts what became of notices.
type Counter interface {
	Notice(outcome metrics.NoticeOutcome)
}

// Notices tells workloads' owners of admissions. It runs on every replica,
// beside the admissions, and drops what it has no room for.
type Notices struct {
	log      logr.Logger
	reader   client.Reader
	recorder events.EventRecorder
	counter  Counter

	queue chan notice
	// said is the digest of what was last said of an owner and, once it is known, of
	// the workload on top of it: 65,536 notes would be 64 MiB.
	said    *expiring.Cache[subject, uint64]
	seed    maphash.Seed
	budgets *expiring.Cache[string, *rate.Limiter]
	tops    *expiring.Cache[workload.Ref, *metav1.PartialObjectMetadata]
}

// notice is what one Event will say.
type notice struct {
	finding
	namespace string
	owner     metav1.OwnerReference
}

// subject is what was said something of.
type subject struct {
	namespace string
	uid       types.UID
	reason    string
}

// New returns notices that read owners with reader, which must not be a cache.
func New(reader client.Reader, recorder events.EventRecorder, counter Counter, log logr.Logger) *Notices {
	return &Notices{
		log: log, reader: reader, recorder: recorder, counter: counter,
		queue:   make(chan notice, queueLength),
		said:    expiring.New[subject, uint64](clock.RealClock{}, remembered, repeatAfter),
		seed:    maphash.MakeSeed(),
		budgets: expiring.New[string, *rate.Limiter](clock.RealClock{}, namespaces, repeatAfter),
		tops:    expiring.New[workload.Ref, *metav1.PartialObjectMetadata](clock.RealClock{}, remembered, ownersForgottenIn),
	}
}

// Notify takes what an admission reported of a pod that owner controls. It
// never waits.
func (n *Notices) Notify(namespace string, owner metav1.OwnerReference, report graft.Report) {
	if owner.UID == "" {
		return // whoever made the pod reads the warnings
	}
	for _, f := range findings(report) {
		n.add(notice{f, namespace, owner})
	}
}

func (n *Notices) add(about notice) {
	key := subject{about.namespace, about.owner.UID, about.reason}
	if n.wasSaid(key, about.note) {
		n.counter.Notice(metrics.NoticeRepeated)
		return
	}
	if !n.budget(about.namespace).Allow() {
		n.counter.Notice(metrics.NoticeLimited)
		return
	}
	select {
	case n.queue <- about:
		n.said.Add(key, maphash.String(n.seed, about.note))
	default:
		n.counter.Notice(metrics.NoticeDropped)
	}
}

func (n *Notices) wasSaid(key subject, note string) bool {
	last, ok := n.said.Get(key)
	return ok && last == maphash.String(n.seed, note)
}

// budget returns what a namespace may still spend.
func (n *Notices) budget(namespace string) *rate.Limiter {
	if known, ok := n.budgets.Get(namespace); ok {
		return known
	}
	limiter := rate.NewLimiter(namespacePerSecond, namespaceBurst)
	n.budgets.Add(namespace, limiter)
	return limiter
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: each replica
// tells of what it admitted.
func (*Notices) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (n *Notices) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case about := <-n.queue:
			n.counter.Notice(n.write(ctx, about))
		}
	}
}

func (n *Notices) write(ctx context.Context, about notice) metrics.NoticeOutcome {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	top, err := n.top(ctx, about.namespace, about.owner)
	if err != nil {
		n.said.Remove(subject{about.namespace, about.owner.UID, about.reason}) // the next pod tries again
		n.log.Error(err, "Cannot tell of an admission", "namespace", about.namespace, "reason", about.reason,
			"ownerKind", about.owner.Kind, "owner", about.owner.Name)
		return metrics.NoticeFailed
	}
	if top == nil {
		return metrics.NoticeOrphaned
	}
	key := subject{about.namespace, top.UID, about.reason}
	if top.UID != about.owner.UID && n.wasSaid(key, about.note) {
		return metrics.NoticeRepeated // by the revision before
	}
	n.said.Add(key, maphash.String(n.seed, about.note))
	kind := corev1.EventTypeWarning
	if about.reason == ReasonAudited {
		kind = corev1.EventTypeNormal
	}
	n.recorder.Eventf(top, nil, kind, about.reason, action, "%s", about.note)
	return metrics.NoticeWritten
}
