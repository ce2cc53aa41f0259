// kstatus says what the tools that watch objects make of ours. Objects come as JSON, one a line; for each one line goes out:
// the verdict of kstatus, of the Lua that is shipped for Argo CD, and of the CEL that is shipped for Flux; and what the actions that are shipped
// for Argo CD make of the object.
//
//	kstatus -argo gitops/argo-cd -flux gitops/flux/health-checks.yaml < objects.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// Verdict is one line of the output.
type Verdict struct {
	Kstatus Health `json:"kstatus"`
	Argo    Health `json:"argo"`
	Flux    Health `json:"flux"`
	// By name.
	Actions map[string]Action `json:"actions,omitempty"`
}

// Health is what one tool makes of one object.
type Health struct {
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
}

func main() {
	argoFolder := flag.String("argo", "", "folder of GROUP/KIND/health.lua and actions, laid out as Argo CD's resource_customizations")
	fluxFile := flag.String("flux", "", "file of a Flux Kustomization with spec.healthCheckExprs")
	flag.Parse()
	if err := run(*argoFolder, *fluxFile); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run(argoFolder, fluxFile string) error {
	checks, err := readFluxChecks(fluxFile)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		// Not json.Unmarshal: kstatus wants its integers as integers.
		if err := object.UnmarshalJSON(lines.Bytes()); err != nil {
			return fmt.Errorf("a line is no object: %w", err)
		}
		verdict, err := judge(object, argoFolder, checks)
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}

func judge(object *unstructured.Unstructured, argoFolder string, checks []fluxCheck) (*Verdict, error) {
	result, err := status.Compute(object)
	if err != nil {
		return nil, fmt.Errorf("kstatus: %w", err)
	}
	argo, err := argoHealth(object, argoFolder)
	if err != nil {
		return nil, fmt.Errorf("Argo CD: %w", err)
	}
	flux, err := fluxHealth(object, checks)
	if err != nil {
		return nil, fmt.Errorf("Flux: %w", err)
	}
	actions, err := argoActions(object, argoFolder)
	if err != nil {
		return nil, fmt.Errorf("Argo CD: %w", err)
	}
	return &Verdict{Kstatus: Health{result.Status.String(), result.Message}, Argo: *argo, Flux: *flux, Actions: actions}, nil
}
