// Package externalsecret is the model of an app's ExternalSecret: its fields, the
// record of its parameter's keys, the version that its Secret has, and its state.
// Webhook, controller and commands all use it. It has no client and makes no calls.
package externalsecret
