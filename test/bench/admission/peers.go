package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/certs"
	"github.com/envgraft/envgraft/internal/api"
)

// servePeer answers reviews as one of those that envgraft is measured beside.
func servePeer(ctx context.Context, name, listen, caFile string) error {
	ctrllog.SetLogger(logr.Discard())
	handler := map[string]http.Handler{
		"floor": http.HandlerFunc(floor),
		"parse": http.HandlerFunc(parse),
		"usual": &admission.Webhook{Handler: usual{admission.NewDecoder(clientgoscheme.Scheme)}},
	}[name]
	if handler == nil {
		return fmt.Errorf("there is no peer %q: use floor, parse or usual", name)
	}
	source, err := certs.NewSelfSigned("127.0.0.1")
	if err != nil {
		return err
	}
	if err := os.WriteFile(caFile, source.CAPEM(), 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(api.PodsWebhook, handler)
	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: headerTime} //nolint:exhaustruct // a peer has no more
	server.TLSConfig = tlsOf(source)
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServeTLS("", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

const fixed = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u1","allowed":true}}`

// floor reads the body and answers fixed bytes: nobody can do less.
func floor(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, fixed)
}

// parse reads the envelope by encoding/json, with the object left raw.
func parse(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var review struct {
		Request struct {
			UID    string          `json:"uid"`
			Object json.RawMessage `json:"object"`
		} `json:"request"`
	}
	if err := json.Unmarshal(body, &review); err != nil || len(review.Request.Object) == 0 {
		http.Error(w, "no review", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, fixed)
}

// usual is the handler of controller-runtime's book.
type usual struct{ decoder admission.Decoder }

func (u usual) Handle(_ context.Context, request admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := u.decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "myapp-secrets"},
		}})
	}
	changed, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, changed)
}
