// Command bench measures the operator and Helm's own SDK side by side on one real kube-apiserver: wall time, CPU seconds,
// peak memory, API requests per component, and the time from one component being ready to the next one being started.
//
// The operator is the real binary in a process of its own; Helm runs in another. Nothing schedules pods: a player in this
// process makes each Deployment ready as soon as it exists, so that what is measured is the operator and not a workload.
// docs/benchmarks.md says how to read the figures. It may import everything but the controllers.
package main
