package reload

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/jsonscan"
)

// The rule: what is decoded of a workload is measured first. The API server
// takes 256 KiB of annotations, but looks only after the webhooks did; and a
// list of "{}" takes many times its length once it is decoded.

// maxBytes is the most that one of a workload's fields may have to be decoded.
const maxBytes = 512 << 10

// measure goes through a workload once. It returns the pod template's spec,
// which is decoded by nobody, or what is too long.
func measure(raw []byte) (templateSpec []byte, err error) {
	s := jsonscan.New(raw)
	for key := range s.Members() {
		switch string(key) {
		case "metadata":
			measureMetadata(s, "metadata")
		case "spec":
			templateSpec = measureSpec(s)
		}
	}
	return templateSpec, s.End()
}

func measureSpec(s *jsonscan.Scanner) (templateSpec []byte) {
	for key := range s.Members() {
		switch string(key) {
		case "selector":
			within(s, "spec.selector")
		case "template":
			for key := range s.Members() {
				switch string(key) {
				case "metadata":
					measureMetadata(s, "spec.template.metadata")
				case "spec":
					templateSpec = s.Raw()
				}
			}
		}
	}
	return templateSpec
}

func measureMetadata(s *jsonscan.Scanner, path string) {
	for key := range s.Members() {
		switch string(key) {
		case "labels", "annotations", "managedFields":
			within(s, path+"."+string(key))
		}
	}
}

// within passes over a field, and refuses one that is too long.
func within(s *jsonscan.Scanner, path string) {
	if field := s.Raw(); len(field) > maxBytes {
		s.Fail(fmt.Errorf("%s has %d bytes, and is looked at up to %d", path, len(field), maxBytes))
	}
}
