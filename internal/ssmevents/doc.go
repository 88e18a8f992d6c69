// Package ssmevents learns of changed parameters from EventBridge events in SQS
// queues, seconds after the change, where a version check would take a minute.
// An event only says that a parameter is worth asking for.
package ssmevents
