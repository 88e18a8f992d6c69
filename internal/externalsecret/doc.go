// Package externalsecret is the one model of an app's ExternalSecret: how it is
// read, what is recorded on it of its parameter, which version its Secret has, and
// how it fares. Webhook, controller and commands all decide by it. It makes no
// calls and has no client.
package externalsecret
