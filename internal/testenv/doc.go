// Package testenv gives tests a real kube-apiserver and etcd, one pair per test binary. There are no controllers behind it:
// no Job completes, no Deployment becomes ready and nothing is garbage-collected unless the test does it.
//
// It is for tests and benchmarks only. It may import controller-runtime's envtest and client-go.
package testenv
