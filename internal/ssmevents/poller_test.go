package ssmevents

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/go-logr/logr"

	"github.com/envgraft/envgraft/test/sqsfake"
)

// TestPoller receives through the real SDK from a fake of SQS.
func TestPoller(t *testing.T) {
	const shop = "/popapps/shop/stage/app"
	queue := sqsfake.New()
	queue.MaxReceives = 1
	server := httptest.NewServer(queue)
	t.Cleanup(server.Close)
	client := sqs.New(sqs.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	a := newApps(shop)
	a.put(shop)
	r := &results{}
	checks := NewChecks(a, r)
	poller := NewPoller(server.URL+"/123456789012/envgraft", client, checks, r, logr.Discard())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go checks.Run(ctx)
	go func() {
		poller.Run(ctx)
		close(done)
	}()
	queue.Send(raw, "no event", `{"source":"aws.ec2"}`)

	deadline := time.Now().Add(20 * time.Second)
	for queue.Left() > 1 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	<-done
	if left := queue.Left(); left != 1 {
		t.Errorf("%d messages are left after 20 s, want the one that cannot be read: results %v", left, r.seen)
	}
	if r.seen[ResultChecked] != 1 || r.seen[ResultForeign] != 1 || r.seen[ResultUndecodable] != 1 {
		t.Errorf("the results are %v, want one checked, one foreign and one undecodable", r.seen)
	}
	if a.recorded[shop] != 2 {
		t.Errorf("version %d is recorded, want 2", a.recorded[shop])
	}
}

// broken is a queue that cannot be reached until it works.
type broken struct {
	Queue

	works bool
	calls int
}

func (b *broken) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	b.calls++
	if !b.works {
		return nil, errors.New("the queue does not exist")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestQueueGone wants a queue that fails three times to count as gone, to be
// asked ever more rarely, and to count again when it answers.
func TestQueueGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &broken{}
		poller := NewPoller("q", queue, NewChecks(newApps(), &results{}), &results{}, logr.Discard())
		ctx, stop := context.WithCancel(t.Context())
		go poller.Run(ctx)
		time.Sleep(2 * time.Second) // the first poll, and one after 1 s
		if !poller.Up() {
			t.Error("the queue counts as gone after two failed polls")
		}
		time.Sleep(time.Hour)
		if poller.Up() {
			t.Error("the queue counts as up after an hour of failed polls")
		}
		if queue.calls > 70 {
			t.Errorf("%d polls in an hour, want about one a minute", queue.calls)
		}
		stop()
	})
}
