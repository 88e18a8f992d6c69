// Package eso keeps what every replica needs of the External Secrets Operator: its
// version, its ExternalSecrets and stores, and their states, all in memory. It
// writes nothing.
package eso
