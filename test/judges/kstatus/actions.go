package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Action is what Argo CD offers for an object, and, where it is not disabled, the object as the action leaves it.
type Action struct {
	Disabled  bool           `json:"disabled"`
	IconClass string         `json:"iconClass,omitempty"`
	Result    map[string]any `json:"result,omitempty"`
}

// argoActions asks discovery.lua what can be done, and does each that is not disabled. nil where a kind has no actions.
func argoActions(object *unstructured.Unstructured, folder string) (map[string]Action, error) {
	kind := object.GroupVersionKind()
	scripts := filepath.Join(folder, kind.Group, kind.Kind, "actions")
	offered, err := runLua(object, filepath.Join(scripts, "discovery.lua"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	actions := map[string]Action{}
	offered.ForEach(func(name, given lua.LValue) {
		if table, ok := given.(*lua.LTable); ok {
			icon := lua.LVAsString(table.RawGetString("iconClass"))
			actions[name.String()] = Action{Disabled: lua.LVAsBool(table.RawGetString("disabled")), IconClass: icon}
		}
	})
	for name, action := range actions {
		changed, err := runLua(object, filepath.Join(scripts, name, "action.lua"))
		if err != nil {
			return nil, err
		}
		if action.Disabled {
			continue
		}
		result, ok := fromLua(changed, object.Object).(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the action %s returns a list: Argo CD would take it for several objects", name)
		}
		action.Result = result
		actions[name] = action
	}
	return actions, nil
}

// fromLua encodes as Argo CD does: an empty table is the list or the map that stood there before, and a list where nothing did.
func fromLua(value lua.LValue, before any) any {
	switch value := value.(type) {
	case lua.LBool:
		return bool(value)
	case lua.LNumber:
		return float64(value)
	case lua.LString:
		return string(value)
	case *lua.LTable:
		if value.Len() > 0 {
			return listFromLua(value, before)
		}
		return mapFromLua(value, before)
	default:
		return nil
	}
}

func listFromLua(table *lua.LTable, before any) any {
	old, _ := before.([]any)
	list := make([]any, 0, table.Len())
	for index := range table.Len() {
		var item any
		if index < len(old) {
			item = old[index]
		}
		list = append(list, fromLua(table.RawGetInt(index+1), item))
	}
	return list
}

func mapFromLua(table *lua.LTable, before any) any {
	old, wasMap := before.(map[string]any)
	result := map[string]any{}
	table.ForEach(func(key, item lua.LValue) { result[key.String()] = fromLua(item, old[key.String()]) })
	if len(result) == 0 && !wasMap {
		return []any{}
	}
	return result
}
