package webhook

import (
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/jsonscan"
)

// The rule: of a review, the fields that decide are read, once, and the rest is
// passed over: the user, the options and the old object. The object stays where
// it lies in the buffer. Of a field that stands twice, which counts is for
// nobody to guess: no API server writes that, and it is refused.

// The fields of a review and of what it holds, as bits of what was seen.
const (
	seenAPIVersion = 1 << iota
	seenKind
	seenRequest
	seenUID
	seenResource
	seenSubResource
	seenName
	seenNamespace
	seenOperation
	seenObject
	seenDryRun
	seenGroup
	seenVersion
)

// The versions of reviews.
const (
	versionV1      = "admission.k8s.io/v1"
	versionV1beta1 = "admission.k8s.io/v1beta1"
)

// objectReader reads of an object what decides, as it is come to.
type objectReader func(*jsonscan.Scanner)

// readReview reads an AdmissionReview, its object by read, and says in which
// version it is and is to be answered.
func readReview(data []byte, read objectReader) (request admission.Request, version string, err error) {
	s := jsonscan.New(data)
	var kind string
	var seen uint64
	given := false
	for key := range s.Members() {
		switch string(key) {
		case "apiVersion":
			s.Once(&seen, seenAPIVersion, key)
			version = s.Text()
		case "kind":
			s.Once(&seen, seenKind, key)
			kind = s.Text()
		case "request":
			s.Once(&seen, seenRequest, key)
			given = s.Kind() == jsonscan.Object
			readRequest(s, &request.AdmissionRequest, read)
		}
	}
	if err := s.End(); err != nil {
		return admission.Request{}, "", err
	}
	// The versions differ in nothing that is read or answered here.
	if (version != versionV1 && version != versionV1beta1) || kind != "AdmissionReview" {
		return admission.Request{}, "", fmt.Errorf("apiVersion is %.100q and kind %.100q: this webhook takes %s, AdmissionReview",
			version, kind, versionV1)
	}
	if !given {
		return admission.Request{}, "", errors.New("it has no request")
	}
	return request, version, nil
}

func readRequest(s *jsonscan.Scanner, r *admissionv1.AdmissionRequest, read objectReader) {
	var seen uint64
	for key := range s.Members() {
		switch string(key) {
		case "uid":
			s.Once(&seen, seenUID, key)
			r.UID = types.UID(shortText(s, "uid"))
		case "kind":
			s.Once(&seen, seenKind, key)
			r.Kind = readGroupVersion(s, "kind")
		case "resource":
			s.Once(&seen, seenResource, key)
			resource := readGroupVersion(s, "resource")
			r.Resource = metav1.GroupVersionResource{Group: resource.Group, Version: resource.Version, Resource: resource.Kind}
		case "subResource":
			s.Once(&seen, seenSubResource, key)
			r.SubResource = s.Text()
		case "name":
			s.Once(&seen, seenName, key)
			r.Name = bounded.Text(s.Text(), bounded.Name) // its author's, and not checked yet
		case "namespace":
			s.Once(&seen, seenNamespace, key)
			r.Namespace = shortText(s, "namespace")
		case "operation":
			s.Once(&seen, seenOperation, key)
			r.Operation = admissionv1.Operation(s.Text())
		case "object":
			s.Once(&seen, seenObject, key)
			r.Object.Raw = readObject(s, read)
		case "dryRun":
			s.Once(&seen, seenDryRun, key)
			r.DryRun = readBool(s)
		}
	}
}

// shortText reads what an API server writes itself. It is in the answer and in
// the log, so that whoever forges a review must not choose its length.
func shortText(s *jsonscan.Scanner, field string) string {
	text := s.Text()
	if len(text) > bounded.Name {
		s.Fail(fmt.Errorf("request.%s has %d bytes: an API server writes at most %d", field, len(text), bounded.Name))
		return ""
	}
	return text
}

// readGroupVersion reads a kind or a resource, whose last field is named by it.
func readGroupVersion(s *jsonscan.Scanner, last string) (k metav1.GroupVersionKind) {
	var seen uint64
	for key := range s.Members() {
		switch string(key) {
		case "group":
			s.Once(&seen, seenGroup, key)
			k.Group = s.Text()
		case "version":
			s.Once(&seen, seenVersion, key)
			k.Version = s.Text()
		case last:
			s.Once(&seen, seenKind, key)
			k.Kind = s.Text()
		}
	}
	return k
}

// readObject takes the object's bytes, null being none.
func readObject(s *jsonscan.Scanner, read objectReader) []byte {
	if s.Kind() == jsonscan.Null {
		s.Skip()
		return nil
	}
	return s.Span(func() { read(s) })
}

func readBool(s *jsonscan.Scanner) *bool {
	if kind := s.Kind(); kind != jsonscan.Bool && kind != jsonscan.Null {
		s.Fail(errors.New("request.dryRun is no boolean"))
		return nil
	}
	switch string(s.Raw()) {
	case "true":
		yes := true
		return &yes
	case "false":
		no := false
		return &no
	}
	return nil
}
