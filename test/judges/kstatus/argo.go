package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var argoStatuses = []string{"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"}

// argoHealth asks health.lua. Argo CD itself calls a deleted object Progressing before it asks; here the script is asked of those, too.
func argoHealth(object *unstructured.Unstructured, folder string) (*Health, error) {
	kind := object.GroupVersionKind()
	script := filepath.Join(folder, kind.Group, kind.Kind, "health.lua")
	answer, err := runLua(object, script)
	if err != nil {
		return nil, err
	}
	health := &Health{Status: lua.LVAsString(answer.RawGetString("status")), Message: lua.LVAsString(answer.RawGetString("message"))}
	if !slices.Contains(argoStatuses, health.Status) {
		return nil, fmt.Errorf("%s returned the status %q, which Argo CD does not know", script, health.Status)
	}
	return health, nil
}

// runLua runs a script as Argo CD does when an administrator has configured it: with the base and table libraries only, for a second at most.
func runLua(object *unstructured.Unstructured, script string) (*lua.LTable, error) {
	source, err := os.ReadFile(script)
	if err != nil {
		return nil, err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		state.Call(1, 0)
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("obj", toLua(state, object.Object))
	if err := state.DoString(string(source)); err != nil {
		return nil, fmt.Errorf("%s: %w", script, err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("%s returned a %s, not a table", script, state.Get(-1).Type())
	}
	return answer, nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
