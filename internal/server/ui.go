package server

import (
	"context"
	"fmt"
	"net"

	"k8s.io/client-go/rest"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/ui"
	"github.com/envgraft/envgraft/internal/ui/live"
)

// addUI serves the status page of the whole cluster on a loopback address of
// the pod, where kubectl port-forward reaches it: who may forward ports of
// envgraft's namespace may see it. It shows what envgraft itself may read.
func (s *cluster) addUI(ctx context.Context, restConfig *rest.Config) error {
	if s.config.Server.UIListen == "" {
		return nil
	}
	reader, err := clusterview.NewReader(clusterview.Prepare(rest.CopyConfig(restConfig), s.version))
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.config.Server.UIListen)
	if err != nil {
		return fmt.Errorf("cannot serve the status page: %w", err)
	}
	settings := clusterview.Settings{Configuration: s.config, From: "the running configuration"}
	source := &live.Source{
		Reader: reader, Installation: s.namespace + "/" + s.config.Server.Certificates.WebhookConfiguration,
		Settings: settings,
	}
	return s.manager.Add(onEveryReplica(func(ctx context.Context) error { return ui.Serve(ctx, listener, source) }))
}
