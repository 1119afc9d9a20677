package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/prometheus/procfs"
)

// printResults writes the table for people.
func printResults(out io.Writer, results []result, o options) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d CPUs, load average %s. Deployments are made ready at once by a player; no pods run.\n\n",
		runtime.NumCPU(), load())
	fmt.Fprintln(w, "SCENARIO\tSYSTEM\tCOMPONENTS\tWALL\tCPU\tPEAK RSS\tREQUESTS/COMPONENT\tHOP P50\tP90\tP99")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.2f s\t%.2f s\t%d MiB\t%.1f\t%s\t%s\t%s\n", r.scenario, r.system, r.components,
			r.wall.Seconds(), r.cpu.Seconds(), r.peak>>20, float64(total(r.requests))/float64(r.components),
			percentile(r.hops, 50), percentile(r.hops, 90), percentile(r.hops, 99))
	}
	if hops := hopsOf(results); len(hops) > 0 {
		fmt.Fprintf(w, "\nAll %d hops: p50 %s, p90 %s, p99 %s\n", len(hops), percentile(hops, 50), percentile(hops, 90), percentile(hops, 99))
	}
	if o.requests {
		printRequests(w, results)
	}
	return w.Flush()
}

// load says how busy the machine was in the last minute, the benchmark included: on a busy one wall times say little.
func load() string {
	machine, err := procfs.NewDefaultFS()
	if err != nil {
		return "unknown"
	}
	average, err := machine.LoadAvg()
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.1f", average.Load1)
}

func printRequests(w *tabwriter.Writer, results []result) {
	for _, r := range results {
		fmt.Fprintf(w, "\nRequests of %s, %s:\n", r.scenario, r.system)
		for _, kind := range slices.SortedFunc(maps.Keys(r.requests), func(a, b string) int { return r.requests[b] - r.requests[a] }) {
			fmt.Fprintf(w, "%d\t%s\n", r.requests[kind], kind)
		}
	}
}

func total(requests map[string]int) int {
	sum := 0
	for _, count := range requests {
		sum += count
	}
	return sum
}

func hopsOf(results []result) []time.Duration {
	var hops []time.Duration
	for _, r := range results {
		hops = append(hops, r.hops...)
	}
	return hops
}

// percentile is the smallest sample that so many percent do not exceed.
func percentile(samples []time.Duration, percent int) string {
	if len(samples) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := (len(sorted)*percent + 99) / 100
	return fmt.Sprintf("%d ms", sorted[max(rank-1, 0)].Milliseconds())
}
