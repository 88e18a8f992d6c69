package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

const (
	// apiTimeout bounds the wait for the API server at start. It is less than
	// the chart's startup probe allows, for the log to say what was wrong.
	apiTimeout = 50 * time.Second
	// apiTry bounds one question. Until kube-proxy has come up on a node that
	// was restarted, a connection to the API server's Service hangs.
	apiTry = 2 * time.Second
)

// waitForAPI waits until the API server answers anything at all. Without it a
// restart of nodes ends in CrashLoopBackOff: the process would give up after 30 s
// of one hanging connection, and the kubelet waits longer each time.
func waitForAPI(ctx context.Context, config *rest.Config, timeout time.Duration, log logr.Logger) error {
	c := rest.CopyConfig(config)
	c.Timeout, c.QPS = apiTry, -1
	c.Dial = (&net.Dialer{Timeout: apiTry}).DialContext
	client, err := discovery.NewDiscoveryClientForConfig(c)
	if err != nil {
		return fmt.Errorf("cannot make a client: %w", err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		err := client.RESTClient().Get().AbsPath("/version").Do(ctx).Error()
		if status := apierrors.APIStatus(nil); err == nil || errors.As(err, &status) {
			return true, nil // what it thinks of us is for others to find out
		}
		if last == nil {
			log.Info("Waiting for the API server", "host", config.Host, "reason", err.Error())
		}
		if last == nil || ctx.Err() == nil {
			last = err // not that the time is over, if there is a better cause
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("cannot reach the API server at %s within %s: %w", config.Host, timeout, errors.Join(last, ctx.Err()))
	}
	return nil
}
