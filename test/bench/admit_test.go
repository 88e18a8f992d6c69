package bench

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/webhook"
)

// admit has pods admitted, of as many apps as are asked for in turn, and says
// how much CPU one took.
func admit(ctx context.Context, pods *webhook.Pods, apps int) (time.Duration, error) {
	const admissions = 20000
	requests := make([]admission.Request, min(apps, 2000))
	for i := range requests {
		n := i * apps / len(requests)
		requests[i].AdmissionRequest = admissionv1.AdmissionRequest{
			Operation: admissionv1.Create, Namespace: fmt.Sprintf("team-%d", n%namespaces),
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		}
		requests[i].Object.Raw = fmt.Appendf(nil, `{"metadata":{"generateName":"app-","labels":{"app.kubernetes.io/name":"app-%d"}},`+
			`"spec":{"containers":[{"name":"app","image":"app","env":[{"name":"KEY_1","value":"x"},{"name":"OTHER","value":"y"}]}]}}`, n)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before time.Duration
	for i := range len(requests) + admissions {
		if i == len(requests) { // by then, all parameters are known
			var err error
			if before, err = usedCPU(); err != nil {
				return 0, err
			}
		}
		response := pods.Handle(ctx, requests[i%len(requests)])
		if !response.Allowed || len(response.Patches) == 0 || len(response.Warnings) > 1 {
			return 0, fmt.Errorf("a pod of %s was not injected by what is known: %v, %q", requests[i%len(requests)].Namespace, response.Result, response.Warnings)
		}
	}
	after, err := usedCPU()
	return (after - before) / admissions, err
}

// usedCPU is what this thread has used: the controller works beside it.
func usedCPU() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
