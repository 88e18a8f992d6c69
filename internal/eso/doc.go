// Package eso is what every replica knows of the External Secrets Operator: its
// version, its ExternalSecrets and stores, and how they fare, all from memory.
// It writes nothing.
package eso
