package ssmfake

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Admin lets a test in another process command a fake:
//
//	POST   /faults   inject the Fault in the body
//	DELETE /faults   make all calls work again
//	GET    /calls    how often each operation was called, by parameter
func (f *Fake) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		fault, err := decodeFault(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.Inject(fault)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		f.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, f.allCalls())
	})
	return mux
}

func decodeFault(r *http.Request) (Fault, error) {
	var fault Fault
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&fault); err != nil {
		return fault, fmt.Errorf("cannot decode fault: %w", err)
	}
	switch fault.Kind {
	case Throttle, Deny, Reject, Drop, Fail, Malformed, Hang:
		return fault, nil
	}
	return fault, fmt.Errorf("cannot inject fault %q: want throttle, deny, reject, drop, fail, malformed or hang", fault.Kind)
}

// allCalls maps operation to parameter to count.
func (f *Fake) allCalls() map[string]map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]map[string]int{}
	for c, n := range f.calls {
		if all[c.operation] == nil {
			all[c.operation] = map[string]int{}
		}
		all[c.operation][c.name] = n
	}
	return all
}
