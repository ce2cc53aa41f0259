-- What a person can ask of it where it stands: to stop, to go on, and to try again what has failed.
local holds = {}
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  holds[condition.type] = condition.status == "True"
end

local suspended = obj.spec.suspend == true
local going = obj.metadata.deletionTimestamp ~= nil

return {
  suspend = { disabled = going or suspended or holds.Succeeded == true, iconClass = "fa fa-fw fa-pause" },
  resume = { disabled = going or not suspended, iconClass = "fa fa-fw fa-play" },
  retry = { disabled = going or holds.Stalled ~= true, iconClass = "fa fa-fw fa-redo" },
}
