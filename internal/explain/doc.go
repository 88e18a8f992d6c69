// Package explain says of a pod where each of its variables comes from, and of the
// pods of a workload how the next one will differ. The commands and the status page
// print what it finds.
package explain
