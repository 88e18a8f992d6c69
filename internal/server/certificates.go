package server

import (
	"fmt"
	"net"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/envgraft/envgraft/certs"
	"github.com/envgraft/envgraft/internal/config"
)

// newCertificates returns the certificate of a server in a cluster: the
// provided one, or one that the replicas issue and share.
func newCertificates(c config.Certificates, namespace string, restConfig *rest.Config) (certs.Source, error) {
	if c.CertFile != "" {
		return certs.NewProvided(c.CertFile, c.KeyFile)
	}
	client, err := kubernetes.NewForConfig(restConfig)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client for the certificates: %w", err)
	}
	return certs.NewManaged(client, certs.Target{
		Namespace:             namespace,
		Service:               c.ServiceName,
		Secret:                c.SecretName,
		WebhookConfigurations: []string{c.WebhookConfiguration},
	}, certs.Options{})
}

// newLocalCertificates returns the certificate of a standalone server, and the
// CA where it is one of our own making.
func newLocalCertificates(c config.Certificates, listen string) (source certs.Source, ca []byte, err error) {
	if c.CertFile != "" {
		source, err = certs.NewProvided(c.CertFile, c.KeyFile)
		return source, nil, err
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot listen on %q: use host:port: %w", listen, err)
	}
	hosts := []string{"localhost", "127.0.0.1"}
	if host != "" && host != "localhost" && host != "127.0.0.1" {
		hosts = append(hosts, host)
	}
	own, err := certs.NewSelfSigned(hosts...)
	if err != nil {
		return nil, nil, err
	}
	return own, own.CAPEM(), nil
}
