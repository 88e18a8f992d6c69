package reload

import (
	"encoding/json"
	"regexp"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: what was written is recorded on the workload, and each admission
// starts by reverting it. So the result depends on the author's part of the object
// alone. An update sends that with our part, kubectl apply and replace without it.

// record is what envgraft wrote to a workload. Its JSON is compact and its
// keys sorted, so that the same record is the same text.
type record struct {
	// Appended are expressions at the end of named annotations, by annotation.
	Appended map[string]string `json:"appended,omitempty"`
	// Hoisted are annotations that were copied from the pod template.
	Hoisted map[string]string `json:"hoisted,omitempty"`
	// Strategy is how a Rollout is to be reloaded.
	Strategy string `json:"strategy,omitempty"`
	// Inject is the label that was copied to the pod template.
	Inject *string `json:"inject,omitempty"`
}

// readRecord reads the record of an earlier admission. One that is no record
// was not written by us, and there is nothing to revert.
func readRecord(annotations map[string]string) record {
	var r record
	if json.Unmarshal([]byte(annotations[api.AnnotationWritten]), &r) != nil {
		return record{}
	}
	return r
}

// save puts the record into the annotations, unless there is nothing to record.
func (r *record) save(annotations map[string]string) error {
	if len(r.Appended) == 0 && len(r.Hoisted) == 0 && r.Strategy == "" && r.Inject == nil {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	annotations[api.AnnotationWritten] = string(text)
	return nil
}

// append merges a name into the value of a named annotation and records it.
func (r *record) append(annotations map[string]string, key, name string) string {
	r.Appended[key] = regexp.QuoteMeta(name)
	value, ok := annotations[key]
	if ok && value == "" {
		// Set apart from an annotation that is ours alone, or reverting ours
		// would remove the author's empty one.
		return separator + r.Appended[key]
	}
	return Merge(value, name)
}

// revert returns the annotations without the record and what it says we
// wrote. What somebody has changed since stays. Anybody could have written the
// record, so keys that envgraft never writes are not touched.
func (r *record) revert(annotations map[string]string, authors authors) map[string]string {
	own := clone(annotations)
	delete(own, api.AnnotationWritten)
	r.revertStrategy(own, authors)
	for _, w := range allWatched() {
		r.revertAppended(own, w.named, authors)
		for _, key := range w.keys() {
			hoisted, ours := r.Hoisted[key]
			if value, ok := own[key]; ok && ours && value == hoisted && !authors.sentAnnotation(key) {
				delete(own, key)
			}
		}
	}
	return own
}

func (r *record) revertAppended(annotations map[string]string, key string, authors authors) {
	value, ok := annotations[key]
	entry := r.Appended[key]
	switch {
	case !ok || entry == "":
	case value != entry:
		annotations[key] = unmerge(value, entry)
	case !authors.sentAnnotation(key):
		delete(annotations, key)
	}
}
