package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
)

// reviewTimeout is what the chart allows the webhook.
const reviewTimeout = 5 * time.Second

// server is envgraft serve --standalone in a process of its own.
type server struct {
	address string
	command *exec.Cmd
	log     *bytes.Buffer
	// exited is closed when the process has ended.
	exited    chan struct{}
	directory string // of the CA's certificate
	client    *http.Client
}

func startServer(ctx context.Context, binary string, e example) (*server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "envgraft-demo-")
	if err != nil {
		return nil, err
	}
	s := &server{address: address, directory: directory, log: &bytes.Buffer{}, exited: make(chan struct{})}
	ca := filepath.Join(directory, "ca.crt")
	s.command = exec.CommandContext(ctx, binary, "serve", "--standalone", "--listen", address, "--ca-file", ca,
		"--parameters", e.parameters, "--manifests", e.directory)
	s.command.Stdout, s.command.Stderr = s.log, s.log
	s.command.Cancel = func() error { return s.command.Process.Signal(syscall.SIGTERM) }
	s.command.WaitDelay = 10 * time.Second // then it is killed
	if err := s.command.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	go func() {
		defer close(s.exited)
		// How it ended is in its log, which is printed where that matters.
		_ = s.command.Wait()
	}()
	if err := s.wait(ctx, ca); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w; the server's log:\n%s", err, s.log)
	}
	return s, nil
}

// freeAddress asks the system for a port of the loopback interface.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("cannot find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// stop ends the server and waits for it.
func (s *server) stop() {
	_ = s.command.Cancel() // it fails where the process has ended
	<-s.exited
	_ = os.RemoveAll(s.directory) // what is left is a certificate in the system's temporary directory
}

// wait returns when the server is ready and its certificate verifies.
func (s *server) wait(ctx context.Context, ca string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		if last = s.ready(ctx, ca); last == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return errors.New("the server ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready in time: %w", last)
		}
	}
}

func (s *server) ready(ctx context.Context, ca string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("no certificate in %s", ca)
	}
	s.client = &http.Client{
		Timeout:   reviewTimeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}
	_, err = s.call(ctx, http.MethodGet, "/readyz", nil)
	return err
}

func (s *server) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "https://"+s.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	return answer, nil
}

// admit sends a pod for review, as an API server does, and returns it patched.
func (s *server) admit(ctx context.Context, pod []byte) ([]byte, error) {
	review := newReview(pod)
	body, err := json.Marshal(review)
	if err != nil {
		return nil, err
	}
	answer, err := s.call(ctx, http.MethodPost, api.PodsWebhook, body)
	if err != nil {
		return nil, err
	}
	var reviewed admissionv1.AdmissionReview
	if err := json.Unmarshal(answer, &reviewed); err != nil {
		return nil, fmt.Errorf("cannot read the review: %w", err)
	}
	response := reviewed.Response
	switch {
	case response == nil:
		return nil, fmt.Errorf("the review has no response: %s", answer)
	case response.UID != review.Request.UID:
		return nil, fmt.Errorf("the response is for %q, the request was %q", response.UID, review.Request.UID)
	case !response.Allowed:
		return nil, fmt.Errorf("the pod was denied: %s", response.Result.Message)
	case response.PatchType == nil || *response.PatchType != admissionv1.PatchTypeJSONPatch:
		return nil, fmt.Errorf("the response has no JSON patch: %s", answer)
	}
	for _, warning := range response.Warnings {
		fmt.Println("Warning:", warning)
	}
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		return nil, fmt.Errorf("cannot read the patch: %w", err)
	}
	return patch.Apply(pod)
}

func newReview(pod []byte) admissionv1.AdmissionReview {
	kind := metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
	resource := metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
	return admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:  types.UID("705ab4f5-6393-11e8-b7cc-42010a800002"),
			Kind: kind, Resource: resource, RequestKind: &kind, RequestResource: &resource,
			Namespace: exampleNamespace, Operation: admissionv1.Create,
			Object: runtime.RawExtension{Raw: pod},
		},
	}
}
