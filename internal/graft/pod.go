package graft

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/jsonscan"
)

// podView holds the fields of a Pod or PodTemplateSpec that the engine reads.
// Reading no more than these is what lets fields survive that the vendored
// API does not know: they are never decoded, so never written back without.
type podView struct {
	Metadata *metadataView
	Spec     struct {
		InitContainers []containerView
		Containers     []containerView
		// Windows says that its containers run on Windows.
		Windows bool
	}
}

// containerNames are those of all its containers.
func (p podView) containerNames() Names {
	names := Names{}
	for _, list := range [][]containerView{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range list {
			names[c.Name] = struct{}{}
		}
	}
	return names
}

// metadataView holds the labels and annotations that have a meaning here, and
// no others.
type metadataView struct {
	Labels      map[string]string
	Annotations map[string]string
}

// containerView holds its lists unread: most are asked for one thing, or for
// nothing.
type containerView struct {
	Name string
	// envFrom and env are arrays in JSON, or empty.
	envFrom, env []byte
	// envEntries is how many there are in env.
	envEntries int
}

// Fields of a pod, each of which may stand once in its object: an API server
// writes none twice, and which of two counts is for nobody to guess.
const (
	fieldMetadata = 1 << iota
	fieldSpec
	fieldLabels
	fieldAnnotations
	fieldInitContainers
	fieldContainers
	fieldContainerName
	fieldEnvFrom
	fieldEnv
)

// Pod is a Pod or PodTemplateSpec whose metadata was read. Its spec stays where
// it lies: most of what is decided is decided without.
type Pod struct {
	metadata *metadataView
	spec     []byte
	err      error
}

// ReadPod reads the next value of a scanner. What is wrong with the pod is for
// Inspect to say, and no error of the document that holds it.
func ReadPod(s *jsonscan.Scanner) Pod {
	r := podReader{Scanner: s}
	var p Pod
	p.err = s.Try(func() {
		var seen uint64
		for key := range r.Members() {
			switch string(key) {
			case "metadata":
				if r.Once(&seen, fieldMetadata, key) {
					p.metadata = r.metadata()
				}
			case "spec":
				if r.Once(&seen, fieldSpec, key) {
					p.spec = r.Raw()
				}
			}
		}
	})
	return p
}

// ParsePod reads a whole document.
func ParsePod(raw []byte) Pod {
	s := jsonscan.New(raw)
	p := ReadPod(s)
	if err := s.End(); err != nil {
		p.err = err
	}
	return p
}

// podReader reads parts of one pod.
type podReader struct {
	*jsonscan.Scanner
	pod    podView
	counts counts
}

// view reads the spec. Field names are case-sensitive, as the API server's;
// encoding/json would take "EnvFrom" for "envFrom".
func (p Pod) view() (podView, error) {
	if p.err != nil || p.spec == nil {
		return podView{Metadata: p.metadata}, p.err
	}
	r := podReader{Scanner: jsonscan.New(p.spec), pod: podView{Metadata: p.metadata}}
	r.spec()
	r.Within(".spec")
	return r.pod, r.End()
}

func (r *podReader) metadata() *metadataView {
	if r.Kind() == jsonscan.Null {
		return nil
	}
	var view metadataView
	var seen uint64
	for key := range r.Members() {
		switch string(key) {
		case "labels":
			if r.Once(&seen, fieldLabels, key) {
				view.Labels = r.marks()
			}
		case "annotations":
			if r.Once(&seen, fieldAnnotations, key) {
				view.Annotations = r.marks()
			}
		}
	}
	return &view
}

// marks reads labels or annotations, which are nil where there are none.
func (r *podReader) marks() map[string]string {
	if r.Kind() == jsonscan.Null {
		return nil
	}
	marks := map[string]string{}
	for key := range r.Members() {
		if !ours(key) {
			r.CheckText()
			continue
		}
		name := string(key)
		value := r.Text()
		r.counts.add(r.Scanner, &r.counts.marks, len(key)+len(value), maxMarks)
		marks[name] = value
	}
	return marks
}

// ours tells the labels and annotations that somebody here reads.
func ours(key []byte) bool {
	for _, prefix := range []string{api.Group + "/", "app.kubernetes.io/", "kubernetes.io/config."} {
		if bytes.HasPrefix(key, []byte(prefix)) {
			return true
		}
	}
	return bytes.Contains(key, []byte(api.ReloaderPrefix))
}

func (r *podReader) spec() {
	var seen uint64
	for key := range r.Members() {
		switch string(key) {
		case "initContainers":
			if r.Once(&seen, fieldInitContainers, key) {
				r.pod.Spec.InitContainers = r.containers()
			}
		case "containers":
			if r.Once(&seen, fieldContainers, key) {
				r.pod.Spec.Containers = r.containers()
			}
		case "os":
			r.pod.Spec.Windows = r.names("name", windows) || r.pod.Spec.Windows
		case "nodeSelector":
			r.pod.Spec.Windows = r.names(corev1.LabelOSStable, windows) || r.pod.Spec.Windows
		}
	}
}

const windows = string(corev1.Windows)

// names says that a field of an object is this text.
func (r *podReader) names(field, text string) bool {
	if r.Kind() != jsonscan.Object {
		return false
	}
	named := false
	for key := range r.Members() {
		if string(key) == field && r.Kind() == jsonscan.String {
			named = r.Text() == text
		}
	}
	return named
}

func (r *podReader) containers() []containerView {
	var containers []containerView
	for range r.Elements() {
		if r.counts.add(r.Scanner, &r.counts.containers, 1, maxContainers) {
			containers = append(containers, r.container())
		}
	}
	return containers
}

func (r *podReader) container() containerView {
	var c containerView
	var seen uint64
	for key := range r.Members() {
		switch string(key) {
		case "name":
			if r.Once(&seen, fieldContainerName, key) {
				c.Name = r.Text()
			}
		case "envFrom":
			if r.Once(&seen, fieldEnvFrom, key) {
				c.envFrom = r.list(func() { r.counts.add(r.Scanner, &r.counts.envFrom, 1, maxEnvFrom) })
			}
		case "env":
			if r.Once(&seen, fieldEnv, key) {
				c.env = r.list(func() {
					r.counts.add(r.Scanner, &r.counts.env, 1, maxEnv)
					c.envEntries++
					readEnv(r.Scanner) // so that envs meets no surprises
				})
			}
		}
	}
	return c
}

// list passes over an array, each of whose elements is shown to see first.
func (r *podReader) list(see func()) []byte {
	if r.Kind() == jsonscan.Null {
		return nil
	}
	return r.Span(func() {
		for range r.Elements() {
			see()
		}
	})
}

// counts are what no pod that runs has more of. The API server's own bounds
// are on bytes alone, and bytes of "{}," make far more of everything else.
type counts struct{ containers, env, envFrom, marks int }

const (
	maxContainers = 500
	// With 200 bytes each, this many are the 2 MiB that Linux hands to a process by
	// default. All being keys, they take most of what an admission may cost (test/process).
	maxEnv     = 10000
	maxEnvFrom = 2000
	// maxMarks are the bytes of labels and annotations; the API server takes
	// 256 KiB of annotations.
	maxMarks = 256<<10 + 16<<10
)

// tooLargeError says that a pod is none that could run.
type tooLargeError struct{ what string }

func (e tooLargeError) Error() string { return "the pod has " + e.what }

// add counts, and ends the reading where it is too much.
func (c *counts) add(s *jsonscan.Scanner, count *int, n, limit int) bool {
	if *count += n; *count <= limit {
		return true
	}
	what := map[*int]string{
		&c.containers: fmt.Sprintf("more than %d containers", limit),
		&c.env:        fmt.Sprintf("more than %d env entries", limit),
		&c.envFrom:    fmt.Sprintf("more than %d envFrom entries", limit),
		&c.marks:      fmt.Sprintf("more than %d bytes of labels and annotations for envgraft", limit),
	}[count]
	s.Fail(tooLargeError{what: what + ", more than any pod that runs: take some out"})
	return false
}

// envView is an entry of env with its fields raw: the API server leaves the
// empty string out, and a later API may know more ways to say where a value
// comes from.
type envView struct {
	// rawName, value and valueFrom are empty where the field is not there.
	rawName, value, valueFrom stdjson.RawMessage
	// other says that a field is given that is not known here.
	other bool
}

// The fields of an env entry that the engine knows.
const (
	fieldValue     = "value"
	fieldValueFrom = "valueFrom"
)

// envs reads the entries of env, which view went through before.
func (c containerView) envs() []envView {
	if c.envEntries == 0 {
		return nil
	}
	entries := make([]envView, 0, c.envEntries)
	s := jsonscan.New(c.env)
	for range s.Elements() {
		entries = append(entries, readEnv(s))
	}
	return entries
}

func readEnv(s *jsonscan.Scanner) envView {
	var e envView
	for key := range s.Members() {
		var field *stdjson.RawMessage
		switch string(key) {
		case "name":
			field = &e.rawName
		case fieldValue:
			field = &e.value
		case fieldValueFrom:
			field = &e.valueFrom
		default:
			e.other = e.other || s.Kind() != jsonscan.Null
			continue
		}
		if *field != nil {
			s.Fail(fmt.Errorf("field %q stands twice in an entry of env", key))
		}
		*field = s.Raw()
	}
	return e
}

// name returns the variable's name, or "" where there is none.
func (e envView) name() string {
	if !bytes.HasPrefix(e.rawName, []byte(`"`)) {
		return ""
	}
	return jsonscan.New(e.rawName).Text()
}

// literal says that the value is the pod's own: it is given, or it is the
// empty string because nothing else is there.
func (e envView) literal() bool {
	if given(e.valueFrom) {
		return false
	}
	return given(e.value) || !e.other
}

// envFroms reads the entries of envFrom.
func (c containerView) envFroms() []stdjson.RawMessage {
	if len(c.envFrom) == 0 {
		return nil
	}
	var entries []stdjson.RawMessage
	s := jsonscan.New(c.envFrom)
	for range s.Elements() {
		entries = append(entries, s.Raw())
	}
	return entries
}

// identity returns the metadata as identity reads it.
func (m *metadataView) identity() identity.Pod {
	if m == nil {
		return identity.Pod{}
	}
	return identity.Pod{Labels: m.Labels, Annotations: m.Annotations}
}

// given says that a raw field is there and not null.
func given(raw stdjson.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "null"
}

// shownNames joins the names of containers for a message, as many as fit.
func shownNames(lists ...[]containerView) string {
	var names []string
	for _, list := range lists {
		for _, c := range list {
			names = append(names, cut(c.Name))
		}
	}
	const limit = 20
	if len(names) > limit {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
	}
	return strings.Join(names, ", ")
}
