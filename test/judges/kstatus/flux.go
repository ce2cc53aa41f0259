package main

import (
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// fluxCheck is an entry of spec.healthCheckExprs of a Flux Kustomization.
type fluxCheck struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	InProgress string `json:"inProgress"`
	Failed     string `json:"failed"`
	Current    string `json:"current"`
}

func readFluxChecks(file string) ([]fluxCheck, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		Spec struct {
			HealthCheckExprs []fluxCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return kustomization.Spec.HealthCheckExprs, nil
}

// fluxHealth answers in the order of Flux' RFC 0009: an object that its controller has not caught up with is in progress, then the first
// expression that is true decides, and where none is the object is in progress.
func fluxHealth(object *unstructured.Unstructured, checks []fluxCheck) (*Health, error) {
	check, err := checkOf(object, checks)
	if err != nil {
		return nil, err
	}
	observed, told, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if err != nil {
		return nil, err
	}
	if told && observed != object.GetGeneration() {
		return &Health{Status: "InProgress"}, nil
	}
	for _, rule := range []struct{ status, expression string }{
		{"InProgress", check.InProgress},
		{"Failed", check.Failed},
		{"Current", check.Current},
	} {
		if rule.expression == "" {
			continue
		}
		holds, err := holds(rule.expression, object.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rule.expression, err)
		}
		if holds {
			return &Health{Status: rule.status}, nil
		}
	}
	return &Health{Status: "InProgress"}, nil
}

func checkOf(object *unstructured.Unstructured, checks []fluxCheck) (*fluxCheck, error) {
	for _, check := range checks {
		// Flux looks its expressions up by group and kind.
		if check.Kind == object.GetKind() && check.APIVersion == object.GetAPIVersion() {
			return &check, nil
		}
	}
	return nil, fmt.Errorf("no expressions for %s %s: add them to spec.healthCheckExprs", object.GetAPIVersion(), object.GetKind())
}

// holds evaluates an expression over the fields of an object, in the environment that Flux gives it: parsed only, for no field has a type.
func holds(expression string, object map[string]any) (bool, error) {
	environment, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Encoders(),
	)
	if err != nil {
		return false, err
	}
	parsed, issues := environment.Parse(expression)
	if issues.Err() != nil {
		return false, issues.Err()
	}
	program, err := environment.Program(parsed)
	if err != nil {
		return false, err
	}
	value, _, err := program.Eval(object)
	if err != nil {
		return false, err
	}
	result, ok := value.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it is a %s, not a bool", value.Type())
	}
	return result, nil
}
