package reload

import (
	"strings"

	"gomodules.xyz/jsonpatch/v2"
)

// Revert returns the operations that revert all that was written to a
// workload, the label in its template too, whatever its own label says. Where
// they change the template, the workload is rolled out.
func Revert(raw []byte) (operations []jsonpatch.Operation, rollsOut bool, err error) {
	w, err := Read(raw)
	if err != nil {
		return nil, false, err
	}
	if w.view.Metadata != nil {
		w.view.Metadata.Labels = nil // only the copied label follows from them
	}
	w.inject, w.warnings = nil, nil
	w.resolveLabel()
	result, err := w.Annotate(Names{})
	for _, op := range result.Operations {
		rollsOut = rollsOut || strings.HasPrefix(op.Path, "/spec/template")
	}
	return result.Operations, rollsOut, err
}
