// Package patch applies JSON patches, as the API server applies the webhook's.
package patch

import (
	"encoding/json"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	operations "gomodules.xyz/jsonpatch/v2"
)

// Apply returns the document as operations of RFC 6902 make it. An error says which
// operation cannot be applied, and holds no value of the document.
func Apply(document []byte, ops []operations.Operation) ([]byte, error) {
	if len(ops) == 0 {
		return document, nil
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return nil, err
	}
	decoded, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	patched, err := decoded.Apply(document)
	if err != nil {
		return nil, fmt.Errorf("cannot apply the patch: %w", err)
	}
	return patched, nil
}
