package plan

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/workload"
)

// Snapshot is what one reconciliation has read, each thing once: two reads could have
// it decide by two states.
type Snapshot struct {
	App client.ObjectKey
	Now time.Time
	// Namespace is nil where it is gone.
	Namespace *identity.Namespace
	// ESOVersion is the version of ExternalSecrets that is served; empty where ESO is
	// not installed.
	ESOVersion string
	// Workloads are the app's.
	Workloads []*inventory.Workload
	// Pods are those that the webhook labelled. AllPods includes those that it did not
	// see. Both have the newest first.
	Pods, AllPods []*inventory.Pod
	// Listed are the kinds of workloads of which all are known.
	Listed map[schema.GroupKind]bool
	// OfApp are the ExternalSecrets that are labelled for the app.
	OfApp []*externalsecret.ExternalSecret
	// Memory is what the leader remembers of reconciliations before.
	Memory *memory.Memory

	answers map[any]answer
}

// answer is what came of a question.
type answer struct {
	value any
	err   error
}

// Answer records the answer to a question of a plan.
func (s *Snapshot) Answer(question, value any, err error) {
	if s.answers == nil {
		s.answers = make(map[any]answer)
	}
	s.answers[question] = answer{value, err}
}

// The questions. Each comment says what answers it.
type (
	// TopOf asks for the workload above a pod: a Top.
	TopOf struct{ Pod *inventory.Pod }
	// IsAlive asks whether a workload exists and is not being deleted: a bool.
	IsAlive struct{ Workload workload.Ref }
	// Existing asks for an ExternalSecret by its name: an *externalsecret.ExternalSecret.
	Existing struct{ Name string }
	// Filling asks for the ExternalSecret, other than the one named Except, that fills
	// a Secret: an *externalsecret.ExternalSecret.
	Filling struct{ Secret, Except string }
	// StoreMissing asks whether a store surely does not exist: a bool.
	StoreMissing struct{ Store externalsecret.StoreRef }
	// Quota asks why the namespace may have no more ExternalSecrets: a string.
	Quota struct{}
	// LookupOf asks what is known of the lookups of a parameter: a Lookup.
	LookupOf struct{ Wants externalsecret.Wants }
	// ParameterOf has a parameter looked up: a Found.
	ParameterOf struct {
		Wants      externalsecret.Wants
		FreshAfter time.Time
	}
	// RecordOf asks for the record that the last lookup makes: an *externalsecret.Record.
	RecordOf struct{ Wants externalsecret.Wants }
	// Shadows asks whether literals of a template shadow recorded keys: a bool.
	Shadows struct {
		// Workload has the pods, and Template their template.
		Workload, Template workload.Ref
		Revision           string
		Record             *externalsecret.Record
	}
	// ObjectOf asks for a workload as it is: an *unstructured.Unstructured.
	ObjectOf struct{ Workload workload.Ref }
	// PodRuns asks whether a pod was not replaced since it was seen: a bool.
	PodRuns struct{ Pod *inventory.Pod }
	// PodNamed asks for a pod: a *corev1.Pod, nil where it is gone.
	PodNamed struct{ Name string }
	// ConfigMapOf asks for the times of a ConfigMap: a ConfigMap.
	ConfigMapOf struct{ Name string }
	// ConfigMapData asks for a ConfigMap: a *corev1.ConfigMap, nil where there is none.
	ConfigMapData struct{ Name string }
)

// Top is the workload above a pod.
type Top struct {
	// Ref is nil where the pod's owner is gone, or never existed.
	Ref *workload.Ref
	// Row is what is held of the workload; nil where nothing is.
	Row *inventory.Workload
}

// Lookup is what is known of the lookups of a parameter.
type Lookup struct {
	// Origin is where it is read: see externalsecret.Record.
	Origin string
	// Newest is when a newer version was seen than any that was looked up; zero where
	// none was.
	Newest time.Time
}

// Found is a parameter as far as a lookup has found it.
type Found struct {
	Parameter facts.Parameter
	// Known says that the answer has come. Else Wait is when to ask again, and Soon
	// how long it is worth waiting for before an ExternalSecret is created.
	Known      bool
	Wait, Soon time.Duration
}

// ConfigMap is what is known of a ConfigMap, without its values.
type ConfigMap struct {
	Name string
	// Known is false where it could not be read at the limited rate.
	Known bool
	// Found says that it exists. Deleted says that it existed when it was read before.
	Found, Deleted bool
	// Created is zero where it does not exist. Changed is when its data last changed. Of
	// one that was deleted it is when it was last seen.
	Created, Changed time.Time
	// Wait is when to look again.
	Wait time.Duration
}

// errAsked ends a decision that waits for the answer to a question.
var errAsked = errors.New("a question is not answered yet")

// ask returns the answer to a question, or has it asked.
func ask[A any](p *planner, question any) (A, error) {
	a, ok := p.answers[question]
	if !ok {
		p.question(question)
		var none A
		return none, errAsked
	}
	value, _ := a.value.(A)
	return value, a.err
}

// tops returns the workloads above pods. All questions are asked at once.
func (p *planner) tops(pods []*inventory.Pod) (map[*inventory.Pod]Top, error) {
	tops := make(map[*inventory.Pod]Top, len(pods))
	var missing error
	for _, pod := range pods {
		top, err := ask[Top](p, TopOf{pod})
		if err != nil {
			if !errors.Is(err, errAsked) {
				return nil, err
			}
			missing = err
		}
		tops[pod] = top
	}
	return tops, missing
}
