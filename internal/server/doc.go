// Package server runs envgraft: the webhooks, and in a cluster the controller, its
// health checks, metrics and status page.
package server
