-- A value that the annotation has not had: the next number after the one that it has and the one that was handled last.
local annotations = obj.metadata.annotations or {}
local there = tonumber(annotations["pggan.dev/retry"]) or 0
local handled = tonumber((obj.status or {}).lastHandledRetry) or 0
local newest = there > handled and there or handled
annotations["pggan.dev/retry"] = tostring(newest + 1)
obj.metadata.annotations = annotations
return obj
