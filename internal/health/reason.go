package health

// blame is the order in which reasons are blamed. What keeps a pod from being made, placed or started comes before what a
// running program reports, and errors come before work in progress.
var blame = []Reason{
	ReasonUnreadable,
	ReasonMissing,
	ReasonPodsRefused,
	ReasonImagePullBackOff,
	ReasonConfigError,
	ReasonMountFailed,
	ReasonPVCLost,
	ReasonPVCPending,
	ReasonUnschedulable,
	ReasonCannotStart,
	ReasonOOMKilled,
	ReasonCrashLoopBackOff,
	ReasonJobFailed,
	ReasonPodFailed,
	ReasonFailed,
	ReasonRuleBroken,
	ReasonProgressDeadlineExceeded,
	ReasonNotReady,
	ReasonTerminating,
	ReasonInitRunning,
	ReasonJobRunning,
	ReasonRolloutInProgress,
	ReasonSettling,
}

var rank = func() map[Reason]int {
	ranks := make(map[Reason]int, len(blame))
	for i, reason := range blame {
		ranks[reason] = i
	}
	return ranks
}()

// stateOf says what an object's state is for a reason.
func stateOf(reason Reason) State {
	switch reason {
	case ReasonUnreadable, ReasonRuleBroken:
		return Unknown
	case ReasonMissing:
		return Missing
	case ReasonPVCPending, ReasonUnschedulable, ReasonNotReady, ReasonTerminating, ReasonInitRunning, ReasonJobRunning,
		ReasonRolloutInProgress, ReasonSettling:
		return InProgress
	case ReasonPodsRefused, ReasonImagePullBackOff, ReasonConfigError, ReasonMountFailed, ReasonPVCLost, ReasonCannotStart,
		ReasonOOMKilled, ReasonCrashLoopBackOff, ReasonJobFailed, ReasonPodFailed, ReasonFailed, ReasonProgressDeadlineExceeded:
		return Failed
	}
	return Unknown
}

// severity orders states for the whole component: the gravest one counts.
func severity(state State) int {
	switch state {
	case Current:
		return 0
	case InProgress:
		return 1
	case Unknown:
		return 2
	case Missing:
		return 3
	case Failed:
		return 4
	}
	return 2
}
