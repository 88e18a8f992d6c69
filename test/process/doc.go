// Package process holds the tests that run the program as a process of its own
// and look at what it takes from the machine.
package process
