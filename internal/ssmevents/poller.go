package ssmevents

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/go-logr/logr"
)

const (
	// waitTime, batchSize and visibility are those of each receive.
	waitTime   = 20 * time.Second
	batchSize  = 10
	visibility = time.Minute
	// callTimeout bounds a call, the wait for messages included.
	callTimeout = waitTime + 10*time.Second
	// deleteTimeout bounds a delete: it goes on when the poller is told to stop.
	deleteTimeout = 5 * time.Second
	// failedPolls in a row are how many it takes for a queue to count as gone.
	failedPolls = 3
	// pollRetry and maxPollRetry are the wait after a failed poll, which doubles.
	pollRetry    = time.Second
	maxPollRetry = time.Minute
)

// Queue is the client of one queue.
type Queue interface {
	ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, options ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
}

// Result is what became of a message, a label of the metric.
type Result string

// The results.
const (
	// ResultChecked is an event after which the parameter was asked for.
	ResultChecked Result = "checked"
	// ResultForeign is an event of a parameter that no app has.
	ResultForeign Result = "foreign"
	// ResultDuplicate is an event that was delivered twice.
	ResultDuplicate Result = "duplicate"
	// ResultDeleted is a parameter that was deleted: its Secret stays as it is.
	ResultDeleted Result = "deleted"
	// ResultUndecodable is a message that the queue's redrive policy moves away.
	ResultUndecodable Result = "undecodable"
	// ResultFailed is an event whose parameter could not be asked for; it comes again.
	ResultFailed Result = "failed"
)

// Recorder counts what comes of events.
type Recorder interface {
	// SSMEvent counts a message.
	SSMEvent(result string)
	// SSMEventLag records the time from a change to its record.
	SSMEventLag(time.Duration)
}

// Poller receives the events of one queue.
type Poller struct {
	url      string
	queue    Queue
	checks   *Checks
	recorder Recorder
	log      logr.Logger
	failures atomic.Int32
}

// NewPoller makes a poller; Run runs it.
func NewPoller(url string, queue Queue, checks *Checks, recorder Recorder, log logr.Logger) *Poller {
	return &Poller{url: url, queue: queue, checks: checks, recorder: recorder, log: log.WithValues("queue", url)}
}

// Up reports whether the queue answers.
func (p *Poller) Up() bool { return p.failures.Load() < failedPolls }

// Run receives events until ctx is done.
func (p *Poller) Run(ctx context.Context) {
	retry := pollRetry
	for ctx.Err() == nil {
		messages, err := p.receive(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			if p.failures.Swap(0) >= failedPolls {
				p.log.Info("The queue of parameter events answers again")
			}
			retry = pollRetry
			p.handle(ctx, messages)
			continue
		}
		if p.failures.Add(1) == failedPolls {
			p.log.Error(err, "Cannot receive parameter events: the version check is back at its own interval")
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
		retry = min(2*retry, maxPollRetry)
	}
}

func (p *Poller) receive(ctx context.Context) ([]types.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := p.queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(p.url), MaxNumberOfMessages: batchSize,
		WaitTimeSeconds: int32(waitTime / time.Second), VisibilityTimeout: int32(visibility / time.Second),
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

// handle gives each message to the checks. One that cannot be read stays in the
// queue: its redrive policy moves it to the dead-letter queue.
func (p *Poller) handle(ctx context.Context, messages []types.Message) {
	var done []*string
	for _, message := range messages {
		if message.Body == nil || message.ReceiptHandle == nil {
			continue
		}
		change, err := Parse(*message.Body)
		switch {
		case errors.Is(err, ErrForeign):
			p.recorder.SSMEvent(string(ResultForeign))
			done = append(done, message.ReceiptHandle)
			continue
		case err != nil:
			p.recorder.SSMEvent(string(ResultUndecodable))
			p.log.Info("Cannot read a parameter event: the queue's redrive policy decides about it", "messageID", aws.ToString(message.MessageId), "cause", err.Error())
			continue
		}
		receipt := message.ReceiptHandle
		kept := p.checks.add(change, func() { p.delete(ctx, []*string{receipt}) })
		if !kept {
			done = append(done, receipt)
		}
	}
	p.delete(ctx, done)
}

// delete deletes messages that need no more work. One that cannot be deleted
// comes again, and costs one more question.
func (p *Poller) delete(ctx context.Context, receipts []*string) {
	if len(receipts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	in := &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(p.url)}
	for i, receipt := range receipts {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: receipt})
	}
	out, err := p.queue.DeleteMessageBatch(ctx, in)
	if err != nil {
		p.log.Error(err, "Cannot delete parameter events", "number", len(receipts))
		return
	}
	for _, failed := range out.Failed {
		p.log.Info("Cannot delete a parameter event", "code", aws.ToString(failed.Code), "cause", aws.ToString(failed.Message))
	}
}
