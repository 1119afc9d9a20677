package cli

import (
	"bytes"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

func pendingRevision() *v1alpha1.DPIDeployment {
	return &v1alpha1.DPIDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "he", Namespace: "moh"},
		Status:     v1alpha1.DPIDeploymentStatus{Pending: &v1alpha1.RevisionReference{Name: "he-3", Number: 3}},
	}
}

func TestActs(t *testing.T) {
	for name, tc := range map[string]struct {
		act   act
		check func(*v1alpha1.DPIDeployment) bool
		says  string
		fails string
	}{
		"approve what waits": {
			act:   func(d *v1alpha1.DPIDeployment) (string, error) { return approve(d, 3) },
			check: func(d *v1alpha1.DPIDeployment) bool { return d.Annotations[v1alpha1.ApproveAnnotation] == "he-3" },
			says:  "Approved revision 3 of he",
		},
		"approve another than was looked at": {
			act:   func(d *v1alpha1.DPIDeployment) (string, error) { return approve(d, 2) },
			fails: "revision 3 waits for approval, not 2",
		},
		"approve nothing": {
			act: func(d *v1alpha1.DPIDeployment) (string, error) {
				d.Status.Pending = nil
				return approve(d, 0)
			},
			fails: "no revision of he waits for approval",
		},
		"roll back": {
			act:   func(d *v1alpha1.DPIDeployment) (string, error) { return rollback(d, 2) },
			check: func(d *v1alpha1.DPIDeployment) bool { return d.Spec.Revision == 2 },
			says:  "he is held at revision 2; let go of it with: kubectl dpi rollback he -n moh --to 0",
		},
		"rotate everything": {
			act: func(d *v1alpha1.DPIDeployment) (string, error) {
				return rotate(d, []string{"he-ehr-database", "he-web-oidc"}, "")
			},
			check: func(d *v1alpha1.DPIDeployment) bool {
				return !strings.Contains(d.Annotations[v1alpha1.RotateAtAnnotation], "/")
			},
			says: "Asked for new credentials of he-ehr-database, he-web-oidc; follow it with: kubectl get dpib -n moh -w",
		},
		"rotate one": {
			act: func(d *v1alpha1.DPIDeployment) (string, error) {
				return rotate(d, []string{"he-ehr-database", "he-web-oidc"}, "he-web-oidc")
			},
			check: func(d *v1alpha1.DPIDeployment) bool {
				return strings.HasSuffix(d.Annotations[v1alpha1.RotateAtAnnotation], "/he-web-oidc")
			},
			says: "Asked for new credentials of he-web-oidc; follow it with: kubectl get dpib -n moh -w",
		},
		"rotate what is not there": {
			act: func(d *v1alpha1.DPIDeployment) (string, error) {
				return rotate(d, []string{"he-ehr-database"}, "databse")
			},
			fails: `he has no binding "databse" to rotate; it has he-ehr-database`,
		},
		"rotate nothing": {
			act:   func(d *v1alpha1.DPIDeployment) (string, error) { return rotate(d, nil, "") },
			fails: "no binding of he has credentials that the operator makes",
		},
		"go forward again": {
			act:   func(d *v1alpha1.DPIDeployment) (string, error) { return rollback(d, 0) },
			check: func(d *v1alpha1.DPIDeployment) bool { return d.Spec.Revision == 0 },
			says:  "he follows its specification again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pendingRevision()).Build()
			var out bytes.Buffer
			err := carryOut(t.Context(), cluster, client.ObjectKey{Namespace: "moh", Name: "he"}, tc.act, &out)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("got %v", err)
				}
				return
			}
			var got v1alpha1.DPIDeployment
			if err := cluster.Get(t.Context(), client.ObjectKey{Namespace: "moh", Name: "he"}, &got); err != nil {
				t.Fatal(err)
			}
			if err != nil || !tc.check(&got) || strings.TrimSpace(out.String()) != tc.says {
				t.Errorf("got %v, %q, %+v", err, out.String(), got)
			}
		})
	}
}
