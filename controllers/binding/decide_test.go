package binding

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

func TestDueAt_bindingsProvedAtOneMomentAreNotProvedAtOneMomentAgain(t *testing.T) {
	const bindings, interval = 200, v1alpha1.DefaultVerificationInterval
	proved := metav1.NewTime(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	perTenSeconds := map[time.Duration]int{}
	for i := range bindings {
		object := &v1alpha1.Binding{ObjectMeta: metav1.ObjectMeta{UID: types.UID(fmt.Sprintf("5f0c6c1e-%04d-4b8e-9d0a-3f6d1f0f%04d", i, i))}}
		object.Status.VerifiedAt = &proved
		due := dueAt(object).Sub(proved.Time)
		if due > interval || due < interval*9/10 {
			t.Errorf("due after %s", due)
		}
		if again := dueAt(object).Sub(proved.Time); again != due {
			t.Errorf("due after %s, and then after %s", due, again)
		}
		perTenSeconds[due.Truncate(10*time.Second)]++
	}
	for at, number := range perTenSeconds {
		if number > bindings/4 {
			t.Errorf("%d of %d are due within ten seconds of %s", number, bindings, at)
		}
	}
}
