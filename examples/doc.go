// Package examples holds apps as their users would have them, and the tests that
// keep them true.
package examples
