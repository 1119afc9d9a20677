package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dpi-operator/dpi-operator/api/v1alpha1"
)

// patience bounds each wait: a run that takes longer has failed.
const patience = 2 * time.Minute

// scenario measures one situation for the operator and for Helm.
type scenario struct {
	name string
	run  func(context.Context) ([]result, error)
}

// result is one row of the table.
type result struct {
	scenario, system string
	components       int
	wall, cpu        time.Duration
	peak             uint64
	requests         map[string]int
	hops             []time.Duration
}

// expectation is how a component ends.
type expectation struct {
	key   types.NamespacedName
	fails bool
}

func (b *bench) scenarios() []scenario {
	return []scenario{
		{fmt.Sprintf("%d independent", b.options.components), b.independent},
		{fmt.Sprintf("chain of %d", b.options.chainLength), b.chain},
		{fmt.Sprintf("%d, half of them failing", b.options.failing), b.failing},
	}
}

// independent installs components that have nothing to do with each other.
func (b *bench) independent(ctx context.Context) ([]result, error) {
	components := make([]*v1alpha1.Component, 0, b.options.components)
	for i := range b.options.components {
		components = append(components, b.installed(types.NamespacedName{Namespace: "independent", Name: componentName(i)}, nil))
	}
	rows, err := b.operate(ctx, "independent", [][]*v1alpha1.Component{components})
	if err != nil || b.options.skipHelm {
		return rows, err
	}
	return b.compare(ctx, rows, helmOrder{namespace: "independent-helm", releases: b.options.components})
}

// chain installs components each of which depends on the one before; several such chains, one after the other.
func (b *bench) chain(ctx context.Context) ([]result, error) {
	var chains [][]*v1alpha1.Component
	for chain := range b.options.chains {
		var components []*v1alpha1.Component
		for i := range b.options.chainLength {
			component := b.installed(types.NamespacedName{Namespace: fmt.Sprintf("chain-%d", chain), Name: componentName(i)}, nil)
			if i > 0 {
				component.Spec.DependsOn = []v1alpha1.ObjectName{v1alpha1.ObjectName(componentName(i - 1))}
			}
			components = append(components, component)
		}
		chains = append(chains, components)
	}
	rows, err := b.operate(ctx, "chain", chains)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		for j := range chains[i][1:] {
			rows[i].hops = append(rows[i].hops, b.observer.hop(keyOf(chains[i][j]), keyOf(chains[i][j+1])))
		}
	}
	if b.options.skipHelm {
		return rows, nil
	}
	return b.compare(ctx, rows, helmOrder{namespace: "chain-helm", releases: b.options.chainLength, wait: true})
}

// failing installs components of which every second one cannot be installed.
func (b *bench) failing(ctx context.Context) ([]result, error) {
	var components []*v1alpha1.Component
	for i := range b.options.failing {
		components = append(components, b.installed(types.NamespacedName{Namespace: "failing", Name: componentName(i)}, failure(i)))
	}
	rows, err := b.operate(ctx, "failing", [][]*v1alpha1.Component{components})
	if err != nil || b.options.skipHelm {
		return rows, err
	}
	return b.compare(ctx, rows, helmOrder{namespace: "failing-helm", releases: b.options.failing, fail: true})
}

// operate has a new operator install batches of components, one batch after the other, and measures each.
func (b *bench) operate(ctx context.Context, name string, batches [][]*v1alpha1.Component) (rows []result, err error) {
	operator, err := b.startOperator(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, operator.stop()) }()
	for _, batch := range batches {
		if err := b.namespace(ctx, batch[0].Namespace); err != nil {
			return nil, err
		}
		row, err := b.measure(ctx, operator, batch)
		if err != nil {
			return nil, err
		}
		row.scenario = batch[0].Namespace
		rows = append(rows, row)
	}
	return rows, nil
}

// measure has components installed. The clock runs from before the first is created until the last is as expected.
func (b *bench) measure(ctx context.Context, operator *operator, components []*v1alpha1.Component) (result, error) {
	before, err := operator.use()
	if err != nil {
		return result{}, err
	}
	var expected []expectation
	began := time.Now()
	for i, component := range components {
		if err := b.client.Create(ctx, component); err != nil {
			return result{}, err
		}
		expected = append(expected, expectation{key: keyOf(component), fails: component.Spec.Values != nil && failure(i) != nil})
	}
	if err := operator.wait(ctx, b.observer, expected); err != nil {
		return result{}, err
	}
	ended := time.Now()
	after, err := operator.use()
	if err != nil {
		return result{}, err
	}
	requests, err := b.audit.requests(operatorAgent, began, ended)
	return result{
		system: "operator", components: len(components), wall: ended.Sub(began), cpu: after.cpu - before.cpu, peak: after.peak,
		requests: requests,
	}, err
}

// compare adds what Helm needs for the same.
func (b *bench) compare(ctx context.Context, rows []result, order helmOrder) ([]result, error) {
	if err := b.namespace(ctx, order.namespace); err != nil {
		return nil, err
	}
	began := time.Now()
	report, err := b.runHelm(ctx, order)
	if err != nil {
		return nil, err
	}
	want := 0
	for i := range order.releases {
		if order.fail && failure(i) != nil {
			want++
		}
	}
	if report.Failed != want {
		return nil, fmt.Errorf("with Helm %d releases failed, not %d", report.Failed, want)
	}
	requests, err := b.audit.requests(helmAgent, began, time.Now())
	if err != nil {
		return nil, err
	}
	system := "helm install"
	if order.wait {
		system += " --wait"
	}
	return append(slices.Clone(rows), result{
		scenario: order.namespace, system: system, components: order.releases, wall: report.Wall, cpu: report.CPU, peak: report.Peak,
		requests: requests,
	}), nil
}

func componentName(index int) string { return fmt.Sprintf("c%03d", index) }

func keyOf(component *v1alpha1.Component) types.NamespacedName {
	return types.NamespacedName{Namespace: component.Namespace, Name: component.Name}
}

// newComponent returns one without a chart.
func newComponent(key types.NamespacedName) *v1alpha1.Component {
	return &v1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace},
		Spec:       v1alpha1.ComponentSpec{Good: v1alpha1.GoodReference{Name: "bench", Version: chartVersion}},
	}
}

// installed returns a component that installs the chart with values.
func (b *bench) installed(key types.NamespacedName, values map[string]any) *v1alpha1.Component {
	component := newComponent(key)
	component.Spec.ReleaseName = key.Name
	component.Spec.Chart = &v1alpha1.ChartReference{Repository: b.repository, Name: chartName, Version: chartVersion}
	if values != nil {
		encoded, err := json.Marshal(values)
		if err != nil {
			panic(err) // A map of strings has an encoding.
		}
		component.Spec.Values = &apiextensionsv1.JSON{Raw: encoded}
	}
	return component
}

// failure returns the values that make every second component fail, by turns at rendering and at applying; nil for the
// others.
func failure(index int) map[string]any {
	switch index % 4 {
	case 1:
		return map[string]any{"fails": "render"}
	case 3:
		return map[string]any{"fails": "apply"}
	}
	return nil
}
