// Package crash kills the operator's own process, over and over, and looks at the world afterwards: every release deployed
// or gone, no object lost, doubled or leaked, no hook run twice, and nobody had to help.
//
// The process is the manager as it is shipped, against a real kube-apiserver. Its requests pass through a gateway of the
// test, which can strike at exactly the nth write: before it reaches the API server, or after, so that only the answer is
// lost. The tests play the controllers that Kubernetes would bring: Jobs finish, Deployments become ready.
//
// DPI_CRASH_SEED repeats a run with the same choices, DPI_CRASH_KILLS changes how many kills it takes.
package crash
