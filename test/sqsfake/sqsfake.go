// Package sqsfake is a small fake of SQS' JSON protocol: a queue with long polls,
// visibility timeouts, receipts and redrive. Tests can make it fail. The real SDK
// drives it.
package sqsfake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxWait bounds a long poll, as SQS does.
const maxWait = 20 * time.Second

// Queue is one queue. The zero value is not usable: see New.
type Queue struct {
	// MaxReceives moves a message to Dead after so many receives; 0 is never.
	MaxReceives int

	mu       sync.Mutex
	messages []*message
	dead     []string
	arrived  chan struct{}
	next     int
	broken   bool
	receives int
}

type message struct {
	id       string
	body     string
	receipt  string
	visible  time.Time
	received int
}

// New returns an empty queue.
func New() *Queue { return &Queue{arrived: make(chan struct{})} }

// Send puts messages into the queue.
func (q *Queue) Send(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range bodies {
		q.next++
		q.messages = append(q.messages, &message{id: fmt.Sprint("m", q.next), body: body})
	}
	close(q.arrived)
	q.arrived = make(chan struct{})
}

// Break has all calls fail, as for a queue that was deleted.
func (q *Queue) Break(broken bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.broken = broken
}

// Left is how many messages were not deleted yet, those that are not visible included.
func (q *Queue) Left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

// Dead lists the messages of the dead-letter queue.
func (q *Queue) Dead() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string(nil), q.dead...)
}

// Receives is how often ReceiveMessage was called.
func (q *Queue) Receives() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.receives
}

// ServeHTTP answers AWS JSON 1.0, see
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html.
func (q *Queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	q.mu.Lock()
	broken := q.broken
	q.mu.Unlock()
	if broken {
		answer(w, http.StatusBadRequest, map[string]string{
			"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist.",
		})
		return
	}
	switch operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."); operation {
	case "ReceiveMessage":
		q.receive(w, r, body)
	case "DeleteMessageBatch":
		q.deleteBatch(w, body)
	case "SendMessage":
		q.send(w, body)
	default:
		answer(w, http.StatusBadRequest, map[string]string{"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": operation})
	}
}

func (q *Queue) receive(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct {
		MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout int
	}
	if !decode(w, body, &in) {
		return
	}
	deadline := time.NewTimer(min(maxWait, time.Duration(in.WaitTimeSeconds)*time.Second))
	defer deadline.Stop()
	q.mu.Lock()
	q.receives++
	q.mu.Unlock()
	for {
		found, arrived, again := q.take(max(1, in.MaxNumberOfMessages), time.Duration(in.VisibilityTimeout)*time.Second)
		if len(found) > 0 {
			answer(w, http.StatusOK, map[string]any{"Messages": found})
			return
		}
		select {
		case <-arrived:
		case <-again:
		case <-deadline.C:
			answer(w, http.StatusOK, map[string]any{})
			return
		case <-r.Context().Done():
			return
		}
	}
}

// take returns visible messages. again fires when one may be visible again.
func (q *Queue) take(limit int, visibility time.Duration) (found []map[string]string, arrived <-chan struct{}, again <-chan time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	soonest := maxWait
	kept := q.messages[:0]
	for _, m := range q.messages {
		switch {
		case m.visible.After(now):
			soonest = min(soonest, m.visible.Sub(now))
		case len(found) == limit:
		case q.MaxReceives > 0 && m.received >= q.MaxReceives:
			q.dead = append(q.dead, m.body)
			continue
		default:
			m.received++
			m.visible = now.Add(visibility)
			m.receipt = fmt.Sprint(m.id, "-", m.received)
			found = append(found, map[string]string{"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body})
		}
		kept = append(kept, m)
	}
	q.messages = kept
	return found, q.arrived, time.After(soonest)
}

func (q *Queue) deleteBatch(w http.ResponseWriter, body []byte) {
	var in struct {
		Entries []struct{ Id, ReceiptHandle string } //nolint:revive // AWS' name
	}
	if !decode(w, body, &in) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	done := []map[string]string{}
	for _, entry := range in.Entries {
		for i, m := range q.messages {
			if m.receipt == entry.ReceiptHandle {
				q.messages = append(q.messages[:i], q.messages[i+1:]...)
				break
			}
		}
		done = append(done, map[string]string{"Id": entry.Id})
	}
	answer(w, http.StatusOK, map[string]any{"Successful": done, "Failed": []string{}})
}

func (q *Queue) send(w http.ResponseWriter, body []byte) {
	var in struct{ MessageBody string }
	if !decode(w, body, &in) {
		return
	}
	q.Send(in.MessageBody)
	answer(w, http.StatusOK, map[string]string{"MessageId": "sent"})
}

func decode(w http.ResponseWriter, body []byte, into any) bool {
	if err := json.Unmarshal(body, into); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"__type": "com.amazonaws.sqs#InvalidMessageContents", "message": err.Error()})
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the client is gone if it fails
}
